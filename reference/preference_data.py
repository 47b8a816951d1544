"""Golden preference data: what TRL's trainers make of rows before a model sees them.

Writes fixtures/tokenization/preference-data.json: prompts that TRL extracts; and in some styles of chat templates (those of
conversations.json, by its tokenizer) and without one the tokens of pairs and of unpaired answers with the mask of their
completions, whole and cut, and the mismatched answers of KTO. They come out of the trainers' own preparation and collation. Templates that
print a prompt alone otherwise than before an answer, such as Mistral's, are not among them: TRL takes the end of such a prompt for
the beginning of the answer.

trl 1.16.0, transformers 5.24.0, datasets 5.2.0, tokenizers 0.23.3
"""

import datetime
import json
import pathlib
from types import SimpleNamespace

import torch
from accelerate import PartialState
from datasets import Dataset
from tokenizers import Tokenizer
from transformers import PreTrainedTokenizerFast
from transformers.utils import chat_template_utils
from trl import extract_prompt
from trl.trainer.dpo_trainer import DataCollatorForPreference, DPOTrainer
from trl.trainer.kto_trainer import DataCollatorForUnpairedPreference, KTOTrainer

FIXTURES = pathlib.Path(__file__).parent.parent / "fixtures"
STYLES = ["SmolLM2", "ChatML with generation", "Llama 3.2", "Qwen2.5", "Qwen3", "Gemma 3", "Phi-4"]
BATCH_SIZE = 2


def user(content):
    return {"role": "user", "content": content}


def assistant(content):
    return {"role": "assistant", "content": content}


TURNS = [user("What is the sky?"), assistant("Above you."), user("And the sun?")]

# Sides with a common beginning, as TRL takes it.
IMPLICIT = [
    {"chosen": TURNS + [assistant("A star.")], "rejected": TURNS + [assistant("A lamp.")]},
    {"chosen": TURNS[:2], "rejected": TURNS[:1] + [assistant("Below you.")] + TURNS[2:]},
    {"chosen": TURNS[:2], "rejected": TURNS + [assistant("A star.")]},
    {"chosen": "The sky is blue.", "rejected": "The sky is green."},
    {"chosen": "The sky is blue.", "rejected": "The sky is black."},
    {"chosen": "The sky is", "rejected": "The sky is not"},
    {"chosen": "The sky is not", "rejected": "The sky is"},
    {"chosen": "Blue.", "rejected": "Green."},
    {"chosen": "a\n\nHuman: Hi\n\nAssistant: Hello!", "rejected": "a\n\nHuman: Hi\n\nAssistant: What?"},
    {"chosen": "two  spaces", "rejected": "two  more"},
    {"chosen": "Sun 🌞!", "rejected": "Sun 🌚!"},
    {"chosen": "É", "rejected": "Éa"},
]

# Rows of pairs; their chosen answers, and after them their rejected ones, are the unpaired ones.
CONVERSATIONS = [
    {"prompt": [user("What color is the sky?")], "chosen": [assistant("It is blue.")], "rejected": [assistant("It is green, of course, and always was.")]},
    {"prompt": TURNS, "chosen": [assistant("A star.")], "rejected": [assistant("A lamp.")]},
    {"prompt": [{"role": "system", "content": "Be brief."}, user("2+2?")], "chosen": [assistant("4")], "rejected": [assistant("Two and two is four, as everybody knows, and I do too.")]},
]
TEXTS = [
    {"prompt": "The sky is", "chosen": " blue.", "rejected": " green."},
    {"prompt": "Question: 2+2?\nAnswer:", "chosen": " 4", "rejected": " Four, as two and two have always been, everywhere."},
    {"prompt": "The sun is a very bright", "chosen": " star", "rejected": " star\n"},
]


def prepare(trainer, tokenizer, rows, max_length):
    stub = SimpleNamespace(_tokenizer=tokenizer, calculate_KL=True, desirable_weight=1, undesirable_weight=1)
    options = SimpleNamespace(dataset_num_proc=None, max_length=max_length, truncation_mode="keep_start", per_device_train_batch_size=BATCH_SIZE)
    return list(trainer._prepare_dataset(stub, Dataset.from_list(rows), tokenizer, options, "train"))


def texts(batch, prefix=""):
    """Ids of each row without the padding, and 1 for each that is of the completion."""
    fields = [batch[f"{prefix}{name}"] for name in ("input_ids", "attention_mask", "completion_mask")]
    return [{"ids": ids[seen.bool()].tolist(), "completion": mask[seen.bool()].tolist()} for ids, seen, mask in zip(*fields)]


def pairs(tokenizer, rows, max_length):
    prepared = prepare(DPOTrainer, tokenizer, rows, max_length)
    found = texts(DataCollatorForPreference(pad_token_id=0, max_length=max_length)(prepared))
    return [list(sides) for sides in zip(found[: len(prepared)], found[len(prepared) :])]


def unpaired(tokenizer, rows, max_length):
    rows = [{"prompt": row["prompt"], "completion": row[side], "label": side == "chosen"} for side in ("chosen", "rejected") for row in rows]
    batch = DataCollatorForUnpairedPreference(pad_token_id=0, max_length=max_length)(prepare(KTOTrainer, tokenizer, rows[:5], max_length))
    found = zip(batch["label"].tolist(), texts(batch), texts(batch, "KL_"))
    return [{"label": label, "texts": [own, other]} for label, own, other in found]


def longest(examples):
    return max(len(example["texts"][0]["ids"]) for example in examples)


def main() -> None:
    PartialState()
    conversations = json.loads((FIXTURES / "tokenization" / "conversations.json").read_text())

    class FixedDate(datetime.datetime):
        @classmethod
        def now(cls, tz=None):
            return cls.fromisoformat(conversations["date"])

    chat_template_utils.datetime = FixedDate
    styles = {}
    for name in [*STYLES, None]:
        tokenizer = PreTrainedTokenizerFast(tokenizer_object=Tokenizer.from_str(json.dumps(conversations["tokenizer"])), **conversations["config"])
        if name is not None:
            tokenizer.chat_template = conversations["styles"][name]["template"]
        rows = TEXTS if name is None else CONVERSATIONS
        whole = pairs(tokenizer, rows, None)
        prompts = [side["completion"].index(1) for side, _ in whole]
        context = longest(unpaired(tokenizer, rows, None))
        # Cuts some answers, and leaves out the rows whose prompts fill it.
        cut = max(prompts) if len(set(prompts)) > 1 else max(prompts) + 2
        styles[name or "none"] = {
            "pairs": {"whole": whole, "cut": {"context": cut, "rows": pairs(tokenizer, rows, cut)}},
            # As long as the longest answer with its own prompt: of those with another's, some are cut.
            "unpaired": {"context": context, "examples": unpaired(tokenizer, rows, context)},
        }
    golden = {
        "implicit": [{**sides, "extracted": extract_prompt(sides)} for sides in IMPLICIT],
        "rows": {"conversations": CONVERSATIONS, "texts": TEXTS},
        "batchSize": BATCH_SIZE,
        "styles": styles,
    }
    path = FIXTURES / "tokenization" / "preference-data.json"
    path.write_text(json.dumps(golden, ensure_ascii=False) + "\n")
    print(path.stat().st_size, "bytes;", {name: [len(style["pairs"]["cut"]["rows"]), style["pairs"]["cut"]["context"]] for name, style in styles.items()})


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
