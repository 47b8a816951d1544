"""Flower's own FedAvg over the tensors of slimtune's adapters."""

from flwr.app import Array, ArrayRecord, Context
from flwr.serverapp import Grid, ServerApp
from flwr.serverapp.strategy import FedAvg
from safetensors.numpy import save_file

from slimtune_flower.step import initial

app = ServerApp()


@app.main()
def main(grid: Grid, context: Context) -> None:
    config = context.run_config
    strategy = FedAvg(
        fraction_train=1.0,
        fraction_evaluate=0.0,
        min_train_nodes=int(config["min-clients"]),
        min_available_nodes=int(config["min-clients"]),
    )
    arrays = ArrayRecord({name: Array(tensor) for name, tensor in initial(config).items()})
    result = strategy.start(grid=grid, initial_arrays=arrays, num_rounds=int(config["num-rounds"]))
    save_file({name: array.numpy() for name, array in result.arrays.items()}, str(config["out"]))
