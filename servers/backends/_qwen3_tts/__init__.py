"""The backend qwen3_tts, in reading order. All but the first three need torch: `load` imports them.

    request      what a client may ask, and what models.yaml may say
    folder       a checkpoint's folder found and checked, and what its config.json says
    speakers     who can speak in it, and which languages
    checkpoint   it is loaded, with the dtype and attention that the device can do
    voices       who speaks, and in which language: what each variant can be asked for
    references   clips whose voice is cloned, remembered
    prompts      what the talker is shown before it speaks
    sampling     which code comes next
    prepared     what an utterance comes to before anything is computed: pieces, voice, sampling
    generation   one utterance on its way from codes to audio, piece by piece, frame by frame
    batch        continuous batching: generations share steps, come and go, are decoded together
    talker       the generation loop: a frame of codes for each row
    predictor    the fifteen codes of a frame after the first
    attention    the keys and values that rows look back at, and rotary embeddings
    codec        codes to samples, chunk by chunk

Of the package qwen_tts (0.1.1) are used: the classes that load a checkpoint, with its tokenizer; the weights
and layers of the talker, the code predictor and the codec's decoder; the layout of a prompt that goes on from
a clip (`generate_icl_prompt`); and what makes a clip's codes and embedding (`create_voice_clone_prompt`). Not
used are its loops: its `generate` steps whole batches to their end and streams nothing, and its codec decodes
overlapping windows.
"""
