"""What backends with a Whisper on ctranslate2 share, none of it torch's. In reading order:

options         what models.yaml may say of a model, and what a request may ask of it
transcription   recordings to transcripts, several at once: the main path
chunks          a recording in VAD chunks, in bounded memory; chunks of several recordings in batches
front           what each backend has of its own: voice activity, spectrograms
recogniser      language, text and the times of its words
attention       from the path of tokens through Whisper's attention to the times of words
trimming        those times without the pauses around the words
forced          a given text aligned with a recording of any length; aligning is the request around it
allotment       which words of a text are said in which stretch
words           a text's words, and those with their times
speakers        diarization: who speaks when, and which speaker says a word
languages       BCP-47 tags to Whisper's codes and back
model           what a loaded model can be asked for
folders         checkpoints' folders, looked at before a library is let at them
device          where a model computes, and in which numbers; out of memory
"""
