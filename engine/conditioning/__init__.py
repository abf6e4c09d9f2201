"""Text: what a source is said to be, and how several prompted sources become one coherent song (GMSDI, Postolache et al. 2024).

encoders.py makes vectors of sentences, prompted.py a denoiser of K prompted sources out of one text-conditioned network, and
coherent.py says what the sum of the sources has to do with the prompt of the mixture, with the derivation.
"""

from engine.conditioning.encoders import ENCODERS, Encode, encoder
from engine.conditioning.prompted import Prompted, whole_prompt

__all__ = ["ENCODERS", "Encode", "Prompted", "encoder", "whole_prompt"]
