"""The backend qwen3_tts_training, in reading order. All but the first two need torch: `load` imports them.

    request      what a training is asked for and what it says, and what models.yaml may say
    schedule     which clips make which step
    objective    what is minimised: each code from what generation knows when it makes it
    optimizer    how weights follow their gradients
    clips        a data set as the model sees it
    training     one training, from a data set to a voice: steps, epochs, saves
    voice        the checkpoint that is made
    files        weights and folders that are whole or not there

Of the package qwen_tts (0.1.1) are used the classes that load a checkpoint, the layers of the talker and its
code predictor, the codec's encoder and the speaker encoder; not its fine-tuning forwards, whose labels are
shifted (see objective).
"""
