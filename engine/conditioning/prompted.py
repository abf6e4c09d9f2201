"""One text-conditioned network as a denoiser of K prompted sources."""

from collections.abc import Mapping

from torch import Tensor

from engine.conditioning.coherent import coherent
from engine.denoiser import Conditioning, per_item
from engine.networks.local_gaussian import scaled
from engine.networks.text_gaussian import TextGaussian


def whole_prompt(prompts: Mapping[str, str]) -> str:
    """What the mixture of prompted sources is called where nothing else is said: all of them in turn."""
    return ", ".join(dict.fromkeys(prompts.values()))


class Prompted:
    """A Denoiser for (batch, sources, samples), one text a source.

    texts: (sources, features). whole: (features,), of the mixture they shall add up to; None leaves the sources independent.
    guidance: of the text, see TextGaussian.powers_of; 1 is the model as it was trained.
    """

    def __init__(self, network: TextGaussian, texts: Tensor, whole: Tensor | None = None, guidance: float = 1.0):
        self.network, self.texts, self.whole, self.guidance = network, texts, whole, guidance

    def __call__(self, x: Tensor, sigma: Tensor, conditioning: Conditioning | None = None) -> Tensor:
        network, (batch, sources, samples) = self.network, x.shape
        noisy, noise_power = network.transform(x), per_item(sigma, x)[..., None] ** 2
        v = self._powers(noisy.flatten(0, 1)[:, None], noise_power.repeat_interleave(sources, 0), self.texts)
        v = v.reshape(batch, sources, *v.shape[2:])

        def times(cells: Tensor, gain: Tensor) -> Tensor:
            return scaled(cells, network.bands.spread(gain))

        if self.whole is None:
            return network.inverse(times(noisy, v / (v + noise_power)), samples)
        whole = self._powers(noisy.sum(1, keepdim=True), sources * noise_power, self.whole[None])
        return network.inverse(coherent(noisy, noise_power, v, whole, times), samples)

    def _powers(self, noisy: Tensor, noise_power: Tensor, texts: Tensor) -> Tensor:
        text = texts.to(noise_power).repeat(len(noisy) // len(texts), 1)
        return self.network.powers_of(noisy, noise_power, text, self.guidance)
