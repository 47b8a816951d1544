"""The tokens that lm_eval 0.4.12 gives a model, for
src/evaluation/request-encoding.test.ts (transformers 5.24.0, tokenizers 0.23.3).

    python reference/harness_tokens.py fixtures/evaluation/harness-tokens.json

The model is the harness's own, but for its forward pass, which notes what it is given. Of the tokenizers two are those of
fixtures/tokenization; the third, made here, joins letters across words, as that of TinyStories-656K does, so that a context's
tokens are not the beginning of the whole text's.
"""

import json
import sys
from pathlib import Path
from types import SimpleNamespace

import torch
from lm_eval.api.instance import Instance
from lm_eval.models.huggingface import HFLM
from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, processors, trainers
from transformers import PreTrainedTokenizerFast

MAX_LENGTH = 48
CORPUS = [f"{name} has {n} pens. {name} buys {n + 2} more pens. How many pens does {name} have? {2 * n + 2} pens in all."
          for name in ["Tom", "Anna", "Sam", "Mia"] for n in range(12)]


class NotingLM(HFLM):
    """The harness's model without weights: every token is as likely as another."""

    def __init__(self, tokenizer):
        self.tokenizer = tokenizer
        self.backend = "causal"
        self.add_bos_token = None
        self.custom_prefix_token_id = None
        self.batch_size_per_gpu = self.batch_schedule = 1
        self.logits_cache = False
        self.softmax_dtype = None
        self._max_length = MAX_LENGTH
        self._rank, self._world_size = 0, 1
        self._device = torch.device("cpu")
        self.cache_hook = SimpleNamespace(add_partial=lambda *_: None)
        self.enable_thinking = False
        self.sequences = []

    def _model_call(self, inps, **_):
        self.read = inps[0].tolist()
        return torch.zeros(*inps.shape, len(self.tokenizer))

    def _loglikelihood_tokens(self, requests, **kwargs):
        """One request after the other; notes what is read, with the last token, which is only asked for, and how many are asked for."""
        for request in requests:
            [answer] = super()._loglikelihood_tokens([request], disable_tqdm=True)
            self.sequences.append({"ids": self.read + request[2][-1:], "scored": len(request[2])})
        return [answer] * len(requests)

    def sequences_of(self, ask, kind, arguments):
        """The sequences that a request becomes; none where the harness fails."""
        self.sequences = []
        try:
            ask([Instance(kind, {}, arguments, 0)], disable_tqdm=True)
        except (AssertionError, IndexError):
            return []
        return self.sequences


def phrases():
    """Byte-pair encoding over whole texts, which no pre-tokenizer cuts into words."""
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>"))
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    tokenizer.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.Strip(" ", 1, 0)])
    specials = [AddedToken(token, special=True, normalized=False) for token in ["<unk>", "<start>", "<end>"]]
    tokenizer.train_from_iterator(CORPUS, trainers.BpeTrainer(vocab_size=260, special_tokens=specials, show_progress=False))
    tokenizer.post_processor = processors.TemplateProcessing(single="<start> $A", pair="<start> $A <start>:1 $B:1", special_tokens=[("<start>", 1)])
    return json.loads(tokenizer.to_str()), {"bos_token": "<start>", "eos_token": "<end>", "unk_token": "<unk>"}


def stored(name):
    golden = json.loads((Path(__file__).parent.parent / "fixtures/tokenization" / f"{name}.json").read_text())
    return golden["tokenizer"], golden["config"]


question = "Tom has 3 pens. Tom buys 5 more pens. How many pens does Tom have?"
shots = "\n\n".join(f"{CORPUS[i][: CORPUS[i].index('?') + 1]} {i}" for i in (1, 14, 20, 30, 40))
pairs = [[question, end] for end in [" 8 pens in all.", " 8", "8", " pens", "s", ".", "\n8", " Tom has 3 pens."]]
pairs += [[f"{shots}\n\nMia has 2 pens. How many pens does Mia have?", end] for end in [" 2", "2 pens", " 12 pens in all."]]
# Several contexts, one continuation; contexts that end in white space; none; text that begins as a text does.
pairs += [[f"Sam buys Mia pens since {name}", " has more pens."] for name in ["Sam", "Mia", "S", "Mi"]]
pairs += [[f"Anna has 4{space}", f"{after}pens"] for space in [" ", "  ", "\n", " \n\t", "\u00a0", "\u2003", "\x1c"] for after in ["", " "]]
pairs += [["", " Tom has"], ["", "Tom has 3 pens"], ["", "<start>Tom has"], ["", "<|im_end|>Tom has"], ["", "<s>Tom"]]
pairs += [["<start>Anna has", " 4 pens"], ["<s>Anna has", " 4 pens"], ["<|im_end|>Anna has", " 4 pens"], ["Anna ha", "s 4 pens"]]
texts = ["", "Tom has 3 pens.", " ".join(CORPUS[:6]), "<start>Tom has", "<|im_end|>Tom", "<s>Tom", " ", "\n"]

golden = {"maxLength": MAX_LENGTH, "tokenizers": {}}
for name, (definition, config) in {"phrases": phrases(), "llama2": stored("llama2"), "smollm": stored("smollm")}.items():
    config_of_fast = {key: value if isinstance(value, str) else AddedToken(value["content"], special=True, normalized=False)
                      for key, value in config.items() if key in ("bos_token", "eos_token", "unk_token") and value is not None}
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=Tokenizer.from_str(json.dumps(definition)), **config_of_fast)
    lm = NotingLM(tokenizer)
    answered = []
    for context, continuation in pairs:
        [sequence] = lm.sequences_of(lm.loglikelihood, "loglikelihood", (context, continuation)) or [{}]
        answered.append({"context": context, "continuation": continuation, **sequence})
    rolled = [{"text": text, "windows": lm.sequences_of(lm.loglikelihood_rolling, "loglikelihood_rolling", (text,))} for text in texts]
    golden["tokenizers"][name] = {
        **({"tokenizer": definition, "config": config} if name == "phrases" else {}), "pairs": answered, "texts": rolled}
    whole = [tokenizer.encode(context + continuation) for context, continuation in pairs]
    differing = sum("ids" in item and item["ids"] != ids[-MAX_LENGTH - 1:] for item, ids in zip(answered, whole))
    print(name, len(answered), "pairs,", differing, "of other tokens than the whole text's,", sum("ids" not in item for item in answered), "refused")
Path(sys.argv[1]).write_text(json.dumps(golden, ensure_ascii=False) + "\n")
