"""Train a small convolutional network on scikit-learn's handwritten digits, and survive preemptions.

    shoestring run -- python examples/digits/train.py --steps 1500
    python examples/digits/train.py --steps 1500 --checkpoints checkpoints   # the same without shoestring

The five lines marked (1) to (5) are all that shoestring needs.
"""

import argparse
from pathlib import Path

import torch
from sklearn.datasets import load_digits
from torch import nn

from shoestring.training import Checkpointer, ElasticSampler, weights_sha256  # (1)


def main() -> None:
    arguments = parse()
    torch.manual_seed(arguments.seed)
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    train, test = digits()
    model = network(arguments.width)
    optimizer = torch.optim.AdamW(model.parameters(), lr=arguments.lr)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=arguments.steps)
    sampler = ElasticSampler(len(train[0]), batch_size=arguments.batch_size, seed=arguments.seed)  # (2)
    checkpointer = Checkpointer(  # (3)
        model=model,
        optimizer=optimizer,
        scheduler=scheduler,
        sampler=sampler,
        where=arguments.checkpoints,
        every_steps=arguments.save_every,
    )
    for step, batch in zip(checkpointer.steps(arguments.steps), sampler, strict=False):  # (4)
        images, labels = train[0][batch], train[1][batch]
        loss = nn.functional.cross_entropy(model(images), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        scheduler.step()
        checkpointer.report(loss=loss.detach())  # (5)
        if step % arguments.print_every == 0:
            print(f"step {step:5d}  loss {loss.item():.4f}", flush=True)
    print(f"test accuracy {accuracy(model, *test):.4f}")
    if arguments.weights:
        arguments.weights.parent.mkdir(parents=True, exist_ok=True)
        torch.save(model.state_dict(), arguments.weights)
    print(f"weights sha256 {weights_sha256(model.state_dict())}", flush=True)


def digits() -> tuple[tuple[torch.Tensor, torch.Tensor], tuple[torch.Tensor, torch.Tensor]]:
    """1,797 images of 8 x 8 pixels (UCI, in scikit-learn's wheel): every fifth is kept for the test."""
    data = load_digits()
    images = torch.tensor(data.images, dtype=torch.float32).unsqueeze(1) / 16
    labels = torch.tensor(data.target)
    held_out = torch.arange(len(images)) % 5 == 0
    return (images[~held_out], labels[~held_out]), (images[held_out], labels[held_out])


def network(width: int) -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(1, width, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(width, 2 * width, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(2 * width, 2 * width, 3, padding=1),
        nn.ReLU(),
        nn.Flatten(),
        nn.Dropout(0.2),
        nn.Linear(2 * width * 16, 10),
    )


@torch.no_grad()
def accuracy(model: nn.Module, images: torch.Tensor, labels: torch.Tensor) -> float:
    model.eval()
    return (model(images).argmax(dim=1) == labels).float().mean().item()


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Train on scikit-learn's digits.")
    parser.add_argument("--steps", type=int, default=1500)
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--width", type=int, default=64, help="channels of the first layer")
    parser.add_argument("--lr", type=float, default=1e-3)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--print-every", type=int, default=50)
    parser.add_argument("--checkpoints", help="where to save outside a run")
    parser.add_argument("--save-every", type=int, help="save after so many steps, too")
    parser.add_argument("--weights", type=Path, help="file for the final weights")
    return parser.parse_args()


if __name__ == "__main__":
    main()
