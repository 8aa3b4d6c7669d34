"""The whisperx backend, in reading order:

options         what models.yaml may say of a model besides
front           voice activity detection and spectrograms, by whisperx's pipeline
aligner         when each word of a text is said: emissions, block by block
alphabet        a text in the letters of an alignment model
trellis         the likeliest path of a text through the emissions
loading         folders to models

All else is in `_whisper`, which faster_whisper shares.

What of the packages it stands on, as the locks pin them; what is not a documented interface is marked *:

whisperx 3.8.6        asr.load_model, and its pipeline's .model*, .vad_model*, .preprocess*, .detect_language;
                      .vad_model's preprocess_audio, __call__ and merge_chunks*; asr.WhisperModel.encode;
                      alignment.load_align_model; diarize.DiarizationPipeline; utils.LANGUAGES*
faster-whisper 1.2.1  tokenizer.Tokenizer*; WhisperModel.get_prompt*, .hf_tokenizer*, .max_length*;
                      transcribe.get_compression_ratio*
ctranslate2 4.8.5     models.Whisper.generate and .is_multilingual; get_supported_compute_types

What is ours, and why the packages' own does not serve. The figures are those of `scripts/bench recognition
--minutes 10`: tiny random checkpoints, whisperx's real voice activity detection, one thread, processor
seconds.

- The call of `generate` (recogniser). faster-whisper's BatchedInferencePipeline leaves sampling_topk at 1, so
  that a temperature does nothing: of 8 texts temperature 1 changes none, here all 8 (with the real Whisper
  base none, and 7). A long prompt with max_new_tokens is a ValueError to it. whisperx's pipeline ignores
  temperatures and max_new_tokens, gives no no_speech_prob, and takes prompt and beam from fields that all
  calls share.
- Batches of several recordings (transcription, chunks). whisperx's pipeline takes one recording at a time:
  for 8 of 10 s it calls the decoder 8 times, here once.
- Cutting block by block (chunks). whisperx's pipeline detects speech in the whole recording before anything
  else: nothing stops it for 26 s of 10 min and 55 s of 20, here never for more than 6.7 s. It takes 465 MiB
  for 10 min and 696 for 20, here 392 and 468, and no more once torch keeps what it needs for each size of a
  batch, some 390 MiB in all. faster-whisper's pipeline keeps the spectrograms of all chunks: 1.8 s without a
  stop and 298 MiB for 10 min. Its detector, Silero, is faster (2 s for 10 min against 29 s in all), but to
  another model `onset` and `offset` mean something else.
- Alignment (aligner, alphabet, trellis). whisperx.align takes the emissions of the whole audio, and a trellis
  of four bytes for each token and frame: 43 s that nothing stops and 1164 MiB for a text of 10 min, here 1.3
  s, of which 0.1 s without a stop, and 67 MiB. It took 11 s and 386 MiB for 5 min; the trellis of an hour
  with its text would be 37 GiB. It times and scores a dash as if it were said, which is marked as
  interpolated here; it spells no numeral out; it quotes texts in its warnings; and it downloads NLTK's punkt.
  torchaudio's forced_align is not compiled into torchaudio 2.11.0 of the CPU's lock.
- Who says a word (speakers). whisperx.assign_word_speakers goes by the middles of the turns where nobody
  speaks: 44 % of the words in pauses are given to another speaker than the nearest.

tests/backends/test_whisperx.py holds texts, times and scores to those of the packages' own pipelines.
"""
