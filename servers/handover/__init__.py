"""Jobs that have not ended when a machine goes are handed over to the next one, with their files.

They are put where accepted work waits (docs/accepted.md): a job is an item `waiting` of the table with
`work: job`, and what it is, with the files that it names, lies in the bucket.
"""
