"""Text classification with the Hugging Face Trainer: a `KeepsetTrainer` in its place, gradient accumulation, evaluation
after each epoch, and checkpoints that it resumes. Texts, tokenizer and model are made here: nothing is downloaded.

    python examples/pytorch/text_classification.py --stop-after 3
    python examples/pytorch/text_classification.py --resume

With `torchrun --nproc-per-node 2` before the file's name two processes share each epoch.
"""

import argparse
import random
from pathlib import Path

import torch
from datasets import Dataset
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import (
    BertConfig,
    BertForSequenceClassification,
    DataCollatorWithPadding,
    PreTrainedTokenizerFast,
    PrinterCallback,
    TrainerCallback,
    TrainingArguments,
    set_seed,
)

import keepset
from keepset.transformers import KeepsetTrainer

CHECKPOINTS = Path(__file__).with_name("text_classification.pt")  # a folder
EPOCHS = 6
BATCH = 16
ACCUMULATION = 2

TOPICS = [
    "goal match team coach league referee stadium striker",
    "planet atom cell theory orbit enzyme signal fossil",
    "butter oven garlic recipe flour pepper onion sauce",
    "senate vote treaty minister budget reform party court",
]
OTHERS = "the a of in and with for on about after before more new old small great said made was is they one"


def make_tokenizer() -> PreTrainedTokenizerFast:
    """A token for each word; a text begins with one for all of it."""
    words = ["[PAD]", "[CLS]", *OTHERS.split(), *" ".join(TOPICS).split()]
    tokenizer = Tokenizer(models.WordLevel({word: number for number, word in enumerate(words)}))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token="[PAD]", cls_token="[CLS]")


def make_texts(tokenizer: PreTrainedTokenizerFast, count: int, seed: int) -> Dataset:
    """Texts of 10 to 24 words, some of them of the text's topic and fewer of another one, in tokens."""
    draw = random.Random(seed)
    labels = [draw.randrange(len(TOPICS)) for _ in range(count)]
    texts: list[str] = []
    for label in labels:
        words = draw.choices(OTHERS.split(), k=draw.randint(7, 18))
        words += draw.choices(TOPICS[label].split(), k=draw.randint(2, 4))
        words += draw.choices(draw.choice(TOPICS).split(), k=draw.randint(1, 2))
        draw.shuffle(words)
        texts.append(" ".join(["[CLS]", *words]))
    return Dataset.from_dict({**tokenizer(texts), "labels": labels})


class Report(TrainerCallback):
    """Prints a line after each evaluation, and ends the training where it was asked to."""

    def __init__(self, sampler: keepset.Sampler, stop_after: int) -> None:
        self.sampler = sampler
        self.stop_after = stop_after

    def on_evaluate(self, args, state, control, metrics, **kwargs) -> None:
        if state.is_world_process_zero:
            loss = next(entry["loss"] for entry in reversed(state.log_history) if "loss" in entry)
            print(
                f"epoch {state.epoch:g}/{EPOCHS}: kept {self.sampler.kept_fraction:.0%}, loss {loss:.4f}, "
                f"test accuracy {metrics['eval_accuracy']:.1%}, saving {self.sampler.saving:.1%}",
                flush=True,
            )
        control.should_training_stop = control.should_training_stop or round(state.epoch) >= self.stop_after


def main(args: argparse.Namespace) -> None:
    set_seed(0)
    tokenizer = make_tokenizer()
    train_set, test_set = make_texts(tokenizer, 4000, seed=1), make_texts(tokenizer, 1000, seed=2)
    model = BertForSequenceClassification(
        BertConfig(
            vocab_size=len(tokenizer),
            hidden_size=32,
            num_hidden_layers=1,
            num_attention_heads=2,
            intermediate_size=64,
            max_position_embeddings=32,
            num_labels=len(TOPICS),
        )
    )
    # A multiple of batch size x accumulation steps: every optimizer step is whole.
    sampler = keepset.Sampler(
        train_set, prune_rate=0.5, epochs=EPOCHS, position_multiple=BATCH * ACCUMULATION, address=args.address
    )
    arguments = TrainingArguments(
        output_dir=str(CHECKPOINTS),
        num_train_epochs=EPOCHS,
        per_device_train_batch_size=BATCH,
        gradient_accumulation_steps=ACCUMULATION,
        per_device_eval_batch_size=100,
        learning_rate=5e-3,
        eval_strategy="epoch",
        logging_strategy="epoch",
        save_strategy="epoch",
        save_total_limit=1,
        report_to="none",
        disable_tqdm=True,
        dataloader_pin_memory=torch.cuda.is_available(),
        use_cpu=not torch.cuda.is_available(),  # several processes without GPUs are only found so
        ddp_find_unused_parameters=False,
    )
    trainer = KeepsetTrainer(
        model=model,
        args=arguments,
        train_dataset=train_set,
        eval_dataset=test_set,
        data_collator=DataCollatorWithPadding(tokenizer),
        compute_metrics=lambda outcome: {"accuracy": (outcome.predictions.argmax(1) == outcome.label_ids).mean()},
        callbacks=[Report(sampler, args.stop_after)],
        sampler=sampler,
    )
    trainer.remove_callback(PrinterCallback)
    trainer.train(resume_from_checkpoint=args.resume)
    state = trainer.state
    print(
        f"rank {sampler.rank} of {sampler.world_size}: {state.global_step} of {state.max_steps} steps, "
        f"the learning rate is now {trainer.lr_scheduler.get_last_lr()[0]:.6f}",
        flush=True,
    )
    sampler.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="the Hugging Face Trainer")
    parser.add_argument("--address", help="HOST:PORT of a sampler; without it one starts beside rank 0")
    parser.add_argument("--stop-after", type=int, default=EPOCHS, help=f"stop after so many of the {EPOCHS} epochs")
    parser.add_argument("--resume", action="store_true", help="go on from the last checkpoint")
    main(parser.parse_args())
