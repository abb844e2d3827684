"""Times one training step of the 784-400-20 VAE in JAX at its fastest, and prints one JSON object.

XLA uses as many threads as the process may use cores. Choose them with taskset."""

import argparse
import functools
import json
import os
import statistics
import time

os.environ.setdefault("JAX_PLATFORMS", "cpu")

import jax
import jax.numpy as jnp
import optax

INPUT, HIDDEN, LATENT = 784, 400, 20
BATCHES = 32


def initial_parameters(key):
    parameters = []
    for inputs, outputs in ((INPUT, HIDDEN), (HIDDEN, 2 * LATENT), (LATENT, HIDDEN), (HIDDEN, INPUT)):
        key, part = jax.random.split(key)
        bound = inputs**-0.5
        weight = jax.random.uniform(part, (inputs, outputs), minval=-bound, maxval=bound)
        parameters.append((weight, jnp.zeros(outputs)))
    return parameters


def loss(parameters, x, eps):
    linear = lambda layer, h: h @ parameters[layer][0] + parameters[layer][1]
    mu, logvar = jnp.split(linear(1, jax.nn.relu(linear(0, x))), 2, axis=1)  # both in one product
    z = mu + eps * jnp.exp(0.5 * logvar)
    logits = linear(3, jax.nn.relu(linear(2, z)))
    recon = jnp.sum(jnp.maximum(logits, 0) - logits * x + jnp.log1p(jnp.exp(-jnp.abs(logits))))
    kl = -0.5 * jnp.sum(1 + logvar - mu * mu - jnp.exp(logvar))
    return (recon + kl) / x.shape[0]


optimizer = optax.chain(optax.clip_by_global_norm(1.0), optax.adam(1e-3))


def step(parameters, state, key, x):
    key, part = jax.random.split(key)
    gradients = jax.grad(loss)(parameters, x, jax.random.normal(part, (x.shape[0], LATENT)))
    updates, state = optimizer.update(gradients, state, parameters)
    return optax.apply_updates(parameters, updates), state, key


# One call per step, in which new buffers replace the old ones.
one_step = jax.jit(step, donate_argnums=(0, 1, 2))


# Many steps per call, without a dispatch between them.
@functools.partial(jax.jit, donate_argnums=(0, 1, 2))
def many_steps(parameters, state, key, xs):
    body = lambda carry, x: (step(*carry, x), None)
    return jax.lax.scan(body, (parameters, state, key), xs)[0]


def measure(variant, batch, steps, chunks):
    key = jax.random.PRNGKey(0)
    parameters = initial_parameters(key)
    carry = (parameters, optimizer.init(parameters), jax.random.PRNGKey(1))
    data = jax.random.uniform(jax.random.PRNGKey(2), (BATCHES, batch, INPUT))
    if variant == "scan":
        chunk = jnp.stack([data[i % BATCHES] for i in range(steps)])

        def run(carry):
            return many_steps(*carry, chunk)

    else:
        xs = [jnp.array(data[i]) for i in range(BATCHES)]

        def run(carry):
            for i in range(steps):
                carry = one_step(*carry, xs[i % BATCHES])
            return carry

    carry = jax.block_until_ready(run(carry))
    times = []
    for _ in range(chunks):
        started = time.perf_counter()
        carry = jax.block_until_ready(run(carry))
        times.append((time.perf_counter() - started) / steps)
    return 1e3 * statistics.median(times)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--steps", type=int, default=40, help="steps between two looks at the clock")
    parser.add_argument("--chunks", type=int, default=7, help="looks at the clock; the median counts")
    parser.add_argument("--threads", type=int, help="only checked: the cores that this process may use")
    parser.add_argument("--variant", choices=["best", "jit", "scan"], default="best")
    options = parser.parse_args()

    cores = len(os.sched_getaffinity(0))
    if options.threads not in (None, cores):
        parser.error(f"{cores} cores allowed, not {options.threads}: start it under taskset")
    variants = ["jit", "scan"] if options.variant == "best" else [options.variant]
    results = {v: measure(v, options.batch, options.steps, options.chunks) for v in variants}
    best = min(results, key=results.get)
    answer = {
        "peer": "jax " + jax.__version__,
        "milliseconds": results[best],
        "samples_per_second": 1e3 * options.batch / results[best],
        "variant": best,
        "variants": results,
        "threads": cores,
        "batch": options.batch,
    }
    print(json.dumps(answer))


if __name__ == "__main__":
    main()
