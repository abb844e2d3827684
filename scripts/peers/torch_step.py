"""Times one training step of a preset's VAE in PyTorch at its fastest, and prints one JSON object."""

import argparse
import json
import statistics
import time

import torch
import torch.nn.functional as F
from torch import nn

INPUT, HIDDEN, LATENT = 784, 400, 20


class VAE(nn.Module):
    def __init__(self):
        super().__init__()
        self.encoder = nn.Linear(INPUT, HIDDEN)
        self.heads = nn.Linear(HIDDEN, 2 * LATENT)  # mu and logvar in one product
        self.decoder = nn.Linear(LATENT, HIDDEN)
        self.output = nn.Linear(HIDDEN, INPUT)

    def forward(self, x, eps):
        mu, logvar = self.heads(F.relu(self.encoder(x))).chunk(2, dim=1)
        z = mu + eps * torch.exp(0.5 * logvar)
        logits = self.output(F.relu(self.decoder(z)))
        recon = F.binary_cross_entropy_with_logits(logits, x, reduction="sum")
        kl = -0.5 * torch.sum(1 + logvar - mu * mu - torch.exp(logvar))
        return (recon + kl) / x.shape[0]


class ConvolutionalVAE(nn.Module):
    def __init__(self, side, channels, latent, hidden=256):
        super().__init__()
        widths = [1, *channels]
        small = side >> len(channels)
        flat = channels[-1] * small * small
        layers = []
        for i, o in zip(widths, widths[1:]):
            layers += [nn.Conv2d(i, o, 4, 2, 1), nn.ReLU()]
        self.encoder = nn.Sequential(*layers, nn.Flatten(), nn.Linear(flat, hidden), nn.ReLU())
        self.heads = nn.Linear(hidden, 2 * latent)  # mu and logvar in one product
        layers = [nn.Linear(latent, hidden), nn.ReLU(), nn.Linear(hidden, flat), nn.ReLU()]
        layers += [nn.Unflatten(1, (channels[-1], small, small))]
        for i, o in zip(widths[:0:-1], widths[-2::-1]):
            layers += [nn.ConvTranspose2d(i, o, 4, 2, 1), nn.ReLU()]
        self.decoder = nn.Sequential(*layers[:-1])

    def forward(self, x, eps):
        mu, logvar = self.heads(self.encoder(x)).chunk(2, dim=1)
        z = mu + eps * torch.exp(0.5 * logvar)
        recon = F.binary_cross_entropy_with_logits(self.decoder(z), x, reduction="sum")
        kl = -0.5 * torch.sum(1 + logvar - mu * mu - torch.exp(logvar))
        return (recon + kl) / x.shape[0]


PRESETS = {  # model, shape of a sample, latent
    "mnist-mlp": (VAE, (INPUT,), LATENT),
    "conv28": (lambda: ConvolutionalVAE(28, [32, 64], 20), (1, 28, 28), 20),
    "conv64": (lambda: ConvolutionalVAE(64, [32, 32, 64, 64], 10), (1, 64, 64), 10),
}


def measure(variant, preset, batch, steps, chunks):
    torch.manual_seed(0)
    make, shape, latent = PRESETS[preset]
    model = make()
    if "channels-last" in variant:
        model = model.to(memory_format=torch.channels_last)
    parameters = list(model.parameters())
    optimizer = torch.optim.Adam(parameters, lr=1e-3, fused=True)
    loss_of = torch.compile(model, dynamic=False) if "compile" in variant else model
    data = torch.rand(32 * batch, *shape)
    if "channels-last" in variant:
        data = data.to(memory_format=torch.channels_last)

    def run(count):
        for i in range(count):
            at = (i % 32) * batch
            optimizer.zero_grad(set_to_none=True)
            loss_of(data[at : at + batch], torch.randn(batch, latent)).backward()
            torch.nn.utils.clip_grad_norm_(parameters, 1.0)
            optimizer.step()

    run(20)
    times = []
    for _ in range(chunks):
        started = time.perf_counter()
        run(steps)
        times.append((time.perf_counter() - started) / steps)
    return 1e3 * statistics.median(times)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--preset", choices=list(PRESETS), default="mnist-mlp")
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--steps", type=int, default=40, help="steps between two looks at the clock")
    parser.add_argument("--chunks", type=int, default=7, help="looks at the clock; the median counts")
    parser.add_argument("--variant", default="best", help="eager, compile, channels-last or compile, channels-last")
    options = parser.parse_args()

    torch.set_num_threads(options.threads)
    torch.set_flush_denormal(True)
    variants = ["eager", "compile"]
    if options.preset != "mnist-mlp":
        variants += ["channels-last", "compile, channels-last"]
    if options.variant != "best":
        variants = [options.variant]
    results, failed = {}, {}
    for variant in variants:
        try:
            results[variant] = measure(
                variant, options.preset, options.batch, options.steps, options.chunks
            )
        except Exception as error:  # torch.compile needs a C++ compiler, which may be missing
            if options.variant == variant or variant == "eager":
                raise
            failed[variant] = str(error).splitlines()[0]
    best = min(results, key=results.get)
    answer = {
        "peer": "torch " + torch.__version__,
        "milliseconds": results[best],
        "samples_per_second": 1e3 * options.batch / results[best],
        "variant": best,
        "variants": results,
        "threads": torch.get_num_threads(),
        "batch": options.batch,
    }
    if failed:
        answer["failed"] = failed
    print(json.dumps(answer))


if __name__ == "__main__":
    main()
