"""What the functions share: the machine, the table, the holds, the rules, and how they are asked."""
