"""Draws a forecast that is fed back beside two naive ones, and their errors over the steps ahead."""

from __future__ import annotations

from pathlib import Path


def draw(path: Path) -> None:
    import keras
    import numpy as np
    from matplotlib.figure import Figure

    from mmtoolkit.layers import SequenceEncoder

    keras.utils.set_random_seed(0)
    series = 10 + 3 * np.sin(2 * np.pi * np.arange(600) / 12) + np.random.normal(0, 0.5, 600)
    mean, deviation = series[:400].mean(), series[:400].std()
    windows = np.lib.stride_tricks.sliding_window_view((series - mean) / deviation, 24)
    past, future = windows[:, :12, None], windows[:, 12:]
    train, test = slice(0, 377), slice(388, 577)
    window = keras.Input((12, 1))
    model = keras.Model(window, keras.layers.Dense(1)(SequenceEncoder(16, cell="rnn")(window)[1]))
    model.compile(keras.optimizers.Adam(0.01), "mse")
    model.fit(past[train], future[train, 0], epochs=30, batch_size=50, verbose=0)
    seen = past[test]
    for _ in range(12):
        seen = np.concatenate([seen, model.predict(seen[:, -12:], batch_size=200, verbose=0)[:, None]], axis=1)
    guesses = {
        "network": (seen[:, 12:, 0], "tab:blue", "o-"),
        "last value": (np.repeat(past[test, -1], 12, axis=1), "tab:orange", "s--"),
        "a period before": (past[test, :, 0], "tab:green", "^:"),
    }
    figure = Figure(figsize=(9.6, 3.4), dpi=100)
    left, right = figure.subplots(1, 2, width_ratios=[1.7, 1])
    left.plot(range(388, 412), series[388:412], color="black", linewidth=2, label="observed")
    steps = np.arange(1, 13)
    for name, (guess, colour, line) in guesses.items():
        left.plot(399 + steps, deviation * guess[0] + mean, line, color=colour, markersize=4, label=name)
        errors = deviation * np.sqrt(np.mean((guess - future[test]) ** 2, axis=0))
        right.plot(steps, errors, line, color=colour, markersize=4, label=name)
    left.axvline(399.5, color="grey", linewidth=1)
    left.set_xlabel("time (training ends at 399)")
    left.set_ylim(5, 17.5)
    left.legend(fontsize=9, loc="upper left", ncols=2)
    left.set_title("from the first window of the test part", fontsize=11)
    right.axhline(0.5, color="grey", linewidth=1)
    right.text(12, 0.42, "deviation of the noise, 0.5", ha="right", va="top", fontsize=9, color="dimgrey")
    right.set_ylim(0, 4.9)
    right.set_xlabel("steps ahead")
    right.set_title("root mean square error, 189 windows", fontsize=11)
    figure.tight_layout()
    figure.savefig(path)


if __name__ == "__main__":
    draw(Path(__file__).parent.parent / "forecasting.png")
