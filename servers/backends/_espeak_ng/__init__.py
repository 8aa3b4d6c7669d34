"""espeak-ng, which two backends share: one speaks with it, the other asks it how unknown words are said."""
