"""pocketsphinx, in reading order:

decoders    audio in, words with times out; the cepstral mean; voice activity detection
aligner     forced alignment, with espeak-ng's pronunciations for words that the dictionary does not know
"""
