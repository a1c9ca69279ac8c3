"""Table I says the same in Markdown, LaTeX and CSV, whatever stands in it."""

import csv
import io
import re

import numpy as np
import pandas as pd
import pytest

from camil.evaluation import tables


@pytest.fixture
def table(table) -> pd.DataFrame:
    table["context"] = "segment"
    table["difference"] = [np.nan, np.nan, 0.0378, -0.0136]
    table["difference_low"] = table["difference"] - 0.0202
    table["difference_high"] = table["difference"] + 0.0202
    return table


def test_table_1_says_the_same_in_markdown_latex_and_csv(table):
    numbers = [
        [f"{row[c]:.3f}" for c in (
            "macro_f1", "macro_f1_low", "macro_f1_high", "weighted_f1", "accuracy", "track_macro_f1"
        )]
        for _, row in table.iterrows()
    ]  # fmt: skip
    markdown = [line for line in tables.markdown(table).splitlines()[2:] if line]
    latex = [
        line
        for line in tables.latex(table).splitlines()
        if re.search(r"(AIC|SIC|CAMIL).*\d\.\d", line)
    ]
    read = list(csv.DictReader(io.StringIO(tables.csv(table))))
    assert list(read[0]) == list(tables.COLUMNS)
    for row, expected in enumerate(numbers):
        assert re.findall(r"\d\.\d{3}", markdown[row])[:6] == expected
        assert re.findall(r"\d\.\d{3}", latex[row])[:6] == expected
        for name in tables.COLUMNS[5:]:
            value = float(read[row][name] or "nan")
            assert value == pytest.approx(table[name][row], abs=1e-6, nan_ok=True)


def test_table_1_stands_beside_the_papers_own_numbers(table):
    lines = tables.markdown(table).splitlines()[2:]
    paper = [line.strip("| *").split("|")[-1].strip(" *") for line in lines]
    assert paper == ["0.961", "0.601", "0.627", "0.577"]


def test_the_best_symbolic_row_is_bold_and_the_audio_reference_never(table):
    bold = [line for line in tables.markdown(table).splitlines() if "**" in line]
    assert len(bold) == 1
    assert "**Fine-tuned CAMIL**" in bold[0]
    assert "**0.650**" in bold[0]
    bold = [line for line in tables.latex(table).splitlines() if r"\textbf" in line]
    assert len(bold) == 1
    assert r"\textbf{Fine-tuned CAMIL}" in bold[0]


def test_a_condition_without_scores_is_a_dash_and_not_the_best(table):
    table.loc[2, ["macro_f1", "macro_f1_low", "macro_f1_high"]] = np.nan
    markdown = tables.markdown(table)
    assert "nan" not in (markdown + tables.latex(table)).lower()
    assert "**SIC (Baseline)**" in markdown


def test_special_characters_are_escaped(table):
    table["condition"] = [r"a_b & 50%", r"#{x}$\~^", "p|q*r`", "<b>"]
    latex = tables.latex(table, note="100% of A&B_C")
    assert r"a\_b \& 50\%" in latex
    assert r"\#\{x\}\$\textbackslash{}\textasciitilde{}\textasciicircum{}" in latex
    assert r"100\% of A\&B\_C" in latex
    body = [
        line for line in latex.splitlines() if line.endswith(r"\\") and "multicolumn" not in line
    ]
    for line in body:  # no separator came from a name
        assert len(re.findall(r"(?<!\\)&", line)) == len(tables.HEADINGS) - 1
        assert not re.search(r"(?<!\\)%", line)
    markdown = tables.markdown(table).splitlines()
    for line in markdown:
        assert len(re.findall(r"(?<!\\)\|", line)) == len(tables.HEADINGS) + 1
    assert r"p\|q\*r\`" in "".join(markdown)
    assert r"\<b\>" in "".join(markdown)


def test_latex_is_a_whole_tabular_with_rules_where_the_paper_has_them(table):
    latex = tables.latex(table)
    assert latex.count(r"\begin{tabular}") == latex.count(r"\end{tabular}") == 1
    assert latex.isascii()  # any LaTeX reads it
    columns = re.search(r"tabular}\{(\w+)\}", latex)[1]
    assert len(columns) == len(tables.HEADINGS)
    order = re.findall(r"\\toprule|\\midrule|\\bottomrule|AIC|SIC(?= \()|Fine|Uns", latex)
    assert order == [
        "\\toprule", "\\midrule", "AIC", "\\midrule", "SIC", "Fine", "\\midrule", "Uns",
        "\\bottomrule",
    ]  # fmt: skip


def test_a_missing_column_is_named(table):
    lacking = table.drop(columns=["macro_f1_low", "accuracy"])
    for form in (tables.markdown, tables.latex, tables.csv):
        with pytest.raises(ValueError, match="columns macro_f1_low, accuracy"):
            form(lacking)
    with pytest.raises(ValueError, match="empty"):
        tables.markdown(table[:0])


def test_table_1_is_written_in_three_files_that_read_back(tmp_path, table):
    files = tables.write(table, tmp_path / "new" / "table1", note="demonstration corpus")
    assert [file.name for file in files] == ["table1.md", "table1.csv", "table1.tex"]
    back = pd.read_csv(files[1])
    assert tables.markdown(back) == tables.markdown(table)  # empty negatives come back as NaN
    assert "*demonstration corpus*" in files[0].read_text()
    assert "demonstration corpus" in files[2].read_text()
    assert "demonstration" not in files[1].read_text()


def test_a_difference_is_signed_and_has_its_interval_or_is_a_dash(table):
    lines = tables.markdown(table).splitlines()[2:6]
    told = [line.strip("| ").split("|")[-2].strip(" *") for line in lines]
    dash = tables.NONE
    assert told == [dash, dash, "+0.038 (+0.018 to +0.058)", "-0.014 (-0.034 to +0.007)"]


def test_a_row_that_knows_the_whole_song_is_not_the_best_of_those_that_know_two_measures(table):
    song = table.iloc[[2]].assign(condition="Trees on songs", context="song", macro_f1=0.9)
    both = pd.concat([table, song], ignore_index=True)
    bold = [line for line in tables.markdown(both).splitlines() if "**" in line]
    assert [line.split("|")[1].strip(" *") for line in bold] == ["Fine-tuned CAMIL"]
    assert tables.latex(both).count("midrule") == tables.latex(table).count("midrule") + 1


def test_any_small_table_is_written_with_the_headings_given(tmp_path):
    small = pd.DataFrame({"name": ["a|b", "c"], "f1": [0.12345, np.nan], "n": [3, 4]})
    files = tables.write_plain(
        small, tmp_path / "x" / "small", "why_not", {"name": "N", "f1": "F1"}
    )
    assert files[0].read_text().splitlines() == [
        "| N | F1 |",
        "|:--|--:|",
        r"| a\|b | 0.123 |",
        f"| c | {tables.NONE} |",
        "",
        r"*why\_not*",
    ]
    pd.testing.assert_frame_equal(pd.read_csv(files[1]), small)
