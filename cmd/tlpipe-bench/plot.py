"""Draws .bench/results.json: tlpipe beside each peer, as shares of the fastest; and prints it as a table."""

import json
import pathlib

import matplotlib

matplotlib.use("svg")
import matplotlib.pyplot as plt

FOLDER = pathlib.Path(__file__).resolve().parents[2] / ".bench"


def draw(results, file):
    figure, axes = plt.subplots(len(results), 1, figsize=(8, 1.1 + 0.32 * sum(len(r["rates"]) + 1 for r in results)), squeeze=False,
                                gridspec_kw={"height_ratios": [len(r["rates"]) + 1 for r in results]})
    for ax, result in zip(axes[:, 0], results):
        rows = sorted(result["rates"].items(), key=lambda item: item[1][1])
        best = result["rates"][result["fastest"]][1]
        for y, (name, (least, median, most)) in enumerate(rows):
            ax.barh(y, median / best, color="#d95f02" if name == "tlpipe" else "#b3b3b3")
            ax.plot([least / best, most / best], [y, y], color="#333333", linewidth=1.2)
            ax.text(0.01, y, f"{median:,.0f} images/s", va="center", fontsize=7)
        ax.axvline(1, color="#333333", linewidth=0.8, linestyle=":")
        ax.set_yticks(range(len(rows)), [name for name, _ in rows], fontsize=8)
        ax.set_title(result["name"], loc="left", fontsize=9)
        ax.tick_params(axis="x", labelsize=7)
        ax.spines[["top", "right"]].set_visible(False)
    axes[-1, 0].set_xlabel("median of the rounds ÷ that of the fastest peer that does as much; the line is from the slowest to the fastest round", fontsize=8)
    figure.tight_layout()
    figure.savefig(file, metadata={"Date": None})


def table(results):
    print("| what | tlpipe, images/s | fastest peer, images/s | ratio, round by round |\n|---|---|---|---|")
    for r in results:
        for peer in [r, r["not_kept"]] if "not_kept" in r else [r]:
            (least, median, most), (low, middle, high), ratio = r["rates"]["tlpipe"], r["rates"][peer["fastest"]], peer["ratio"]
            print(f"| {r['name']} | {median:,.0f} ({least:,.0f} to {most:,.0f}) | {peer['fastest']} {middle:,.0f} ({low:,.0f} to {high:,.0f}) "
                  f"| {ratio[1]:.2f} ({ratio[0]:.2f} to {ratio[2]:.2f}) |")


def main():
    results = json.loads((FOLDER / "results.json").read_text())
    draw(results, FOLDER / "bench.svg")
    table(results)
    print(f"\n{FOLDER / 'bench.svg'}")


if __name__ == "__main__":
    main()
