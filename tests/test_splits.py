"""Reading the data of an experiment: samples of files."""

from pathlib import Path

from tftransfer.splits import read_file


def test_a_sample_is_the_same_in_every_run_and_keeps_the_order(tmp_path: Path) -> None:
    path = tmp_path / "data.tsv"
    path.write_text("text\tlabel\n" + "".join(f"text {n}\t{'ab'[n % 2]}\n" for n in range(100)))
    everything, _ = read_file({"path": str(path)}, "error")
    drawn, _ = read_file({"path": str(path), "sample": 30}, "error")
    again, _ = read_file({"path": str(path), "sample": 30}, "error")
    assert drawn.columns == again.columns
    assert len(set(drawn.columns["text"])) == 30
    assert drawn.lines.tolist() == sorted(drawn.lines.tolist())
    assert drawn.lines.tolist() != list(range(2, 32))
    assert [everything.columns["text"][line - 2] for line in drawn.lines] == drawn.columns["text"]
    assert len(read_file({"path": str(path), "sample": 1000}, "error")[0]) == 100
