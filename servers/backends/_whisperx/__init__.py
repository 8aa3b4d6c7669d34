"""The whisperx backend, in reading order:

options         what models.yaml may say of a model, and what a request may ask of it
transcription   recordings to transcripts, several at once: the main path
chunks          a recording in VAD chunks, in bounded memory; chunks of several recordings in batches
recogniser      voice activity, language and text: Whisper on ctranslate2
aligner         when each word of a text is said: emissions, block by block
alphabet        a text in the letters of an alignment model
trellis         the likeliest path of a text through the emissions
speakers        diarization: who speaks when, and which speaker says a word
languages       BCP-47 tags to Whisper's codes and back
loading         folders to models, and what a loaded model can be asked for
device          where a model computes, and in which numbers; out of memory
"""
