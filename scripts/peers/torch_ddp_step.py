"""Times one training step of the 784-400-20 VAE in PyTorch's DistributedDataParallel over gloo, with one thread per
process, and prints one JSON object. Start it with torchrun --nproc_per_node 2."""

import argparse
import json
import statistics
import time

import torch
import torch.distributed as dist
from torch.nn.parallel import DistributedDataParallel

from torch_step import INPUT, LATENT, VAE


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--batch", type=int, default=128, help="samples per step over all processes")
    parser.add_argument("--steps", type=int, default=40, help="steps between two looks at the clock")
    parser.add_argument("--chunks", type=int, default=7, help="looks at the clock; the median counts")
    options = parser.parse_args()

    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    dist.init_process_group("gloo")
    torch.manual_seed(0)
    batch = options.batch // dist.get_world_size()
    model = DistributedDataParallel(VAE(), gradient_as_bucket_view=True)
    parameters = list(model.parameters())
    optimizer = torch.optim.Adam(parameters, lr=1e-3, fused=True)
    data = torch.rand(32 * batch, INPUT)

    def run(count):
        for i in range(count):
            at = (i % 32) * batch
            optimizer.zero_grad(set_to_none=True)
            model(data[at : at + batch], torch.randn(batch, LATENT)).backward()
            torch.nn.utils.clip_grad_norm_(parameters, 1.0)
            optimizer.step()

    run(20)
    times = []
    for _ in range(options.chunks):
        dist.barrier()
        started = time.perf_counter()
        run(options.steps)
        dist.barrier()
        times.append((time.perf_counter() - started) / options.steps)
    if dist.get_rank() == 0:
        milliseconds = 1e3 * statistics.median(times)
        print(
            json.dumps(
                {
                    "peer": f"torch {torch.__version__}",
                    "milliseconds": milliseconds,
                    "samples_per_second": 1e3 * options.batch / milliseconds,
                    "variant": "ddp gloo",
                    "processes": dist.get_world_size(),
                }
            )
        )
    dist.destroy_process_group()


if __name__ == "__main__":
    main()
