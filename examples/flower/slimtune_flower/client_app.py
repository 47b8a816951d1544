"""A Flower client that tunes with slimtune. Its own rows are in the file that the node's configuration names as `data`."""

from flwr.app import Array, ArrayRecord, Context, Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp

from slimtune_flower.step import step

app = ClientApp()


@app.train()
def train(message: Message, context: Context) -> Message:
    begins = {name: array.numpy() for name, array in message.content["arrays"].items()}
    round_number = int(message.content["config"]["server-round"])
    tensors, examples, figures = step(
        context.run_config, str(context.node_config["data"]), begins, round_number
    )
    content = {
        "arrays": ArrayRecord({name: Array(tensor) for name, tensor in tensors.items()}),
        "metrics": MetricRecord({"num-examples": examples, **figures}),
    }
    return Message(RecordDict(content), reply_to=message)
