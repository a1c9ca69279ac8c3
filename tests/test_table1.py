"""Table I has the same content in Markdown, LaTeX and CSV."""

import csv
import io
import re

import numpy as np
import pandas as pd
import pytest

from camil.evaluation import table1
from camil.evaluation.markdown_tables import DASH, write_plain


@pytest.fixture
def table(table) -> pd.DataFrame:
    table["context"] = "segment"
    table["difference"] = [np.nan, np.nan, 0.0378, -0.0136]
    table["difference_low"] = table["difference"] - 0.0202
    table["difference_high"] = table["difference"] + 0.0202
    table["warnings"] = ""
    return table


def test_markdown_latex_and_csv_have_the_same_numbers(table):
    numbers = [
        [f"{row[c]:.3f}" for c in (
            "macro_f1", "macro_f1_low", "macro_f1_high", "weighted_f1", "accuracy", "track_macro_f1"
        )]
        for _, row in table.iterrows()
    ]  # fmt: skip
    markdown = [line for line in table1.markdown(table).splitlines()[2:] if line]
    latex = [
        line
        for line in table1.latex(table).splitlines()
        if re.search(r"(AIC|SIC|CAMIL).*\d\.\d", line)
    ]
    read = list(csv.DictReader(io.StringIO(table1.csv(table))))
    assert list(read[0]) == list(table1.COLUMNS)
    for row, expected in enumerate(numbers):
        assert re.findall(r"\d\.\d{3}", markdown[row])[:6] == expected
        assert re.findall(r"\d\.\d{3}", latex[row])[:6] == expected
        for name in table1.COLUMNS[5:-1]:
            value = float(read[row][name] or "nan")
            assert value == pytest.approx(table[name][row], abs=1e-6, nan_ok=True)


def test_paper_scores_are_shown_beside_each_row(table):
    lines = table1.markdown(table).splitlines()[2:]
    paper = [line.strip(" *").strip("|").split("|")[-2].strip(" *") for line in lines]
    assert paper == ["0.961", "0.601", "0.627", "0.577"]


def test_best_symbolic_row_is_bold_and_audio_reference_is_not(table):
    bold = [line for line in table1.markdown(table).splitlines() if "**" in line]
    assert len(bold) == 1
    assert "**Fine-tuned CAMIL**" in bold[0]
    assert re.search(r"\*\*0\.650( \(0\.\d+ to 0\.\d+\))?\*\*", bold[0])
    bold = [line for line in table1.latex(table).splitlines() if r"\textbf" in line]
    assert len(bold) == 1
    assert r"\textbf{Fine-tuned CAMIL}" in bold[0]


def test_self_supervised_audio_is_never_bold(table):
    table.loc[0, "condition"] = "Self-supervised audio"
    assert "**Fine-tuned CAMIL**" in table1.markdown(table)
    assert "**Self" not in table1.markdown(table)


def test_condition_without_scores_is_a_dash_and_not_bold(table):
    table.loc[2, ["macro_f1", "macro_f1_low", "macro_f1_high"]] = np.nan
    markdown = table1.markdown(table)
    assert "nan" not in (markdown + table1.latex(table)).lower()
    assert "**SIC (Baseline)**" in markdown


def test_special_characters_are_escaped(table):
    table["condition"] = [r"a_b & 50%", r"#{x}$\~^", "p|q*r`", "<b>"]
    latex = table1.latex(table, note="100% of A&B_C")
    assert r"a\_b \& 50\%" in latex
    assert r"\#\{x\}\$\textbackslash{}\textasciitilde{}\textasciicircum{}" in latex
    assert r"100\% of A\&B\_C" in latex
    body = [
        line for line in latex.splitlines() if line.endswith(r"\\") and "multicolumn" not in line
    ]
    for line in body:  # a name adds no separator
        assert len(re.findall(r"(?<!\\)&", line)) == len(table1.HEADINGS) - 1
        assert not re.search(r"(?<!\\)%", line)
    markdown = table1.markdown(table).splitlines()
    for line in markdown:
        assert len(re.findall(r"(?<!\\)\|", line)) == len(table1.HEADINGS) + 1
    assert r"p\|q\*r\`" in "".join(markdown)
    assert r"\<b\>" in "".join(markdown)


def test_latex_is_a_complete_tabular_with_the_papers_rules(table):
    latex = table1.latex(table)
    assert latex.count(r"\begin{tabular}") == latex.count(r"\end{tabular}") == 1
    assert latex.isascii()  # any LaTeX reads it
    columns = re.search(r"tabular}\{(\w+)\}", latex)[1]
    assert len(columns) == len(table1.HEADINGS)
    order = re.findall(r"\\toprule|\\midrule|\\bottomrule|AIC|SIC(?= \()|Fine|Uns", latex)
    assert order == [
        "\\toprule", "\\midrule", "AIC", "\\midrule", "SIC", "Fine", "\\midrule", "Uns",
        "\\bottomrule",
    ]  # fmt: skip


def test_missing_column_raises_with_its_name(table):
    lacking = table.drop(columns=["macro_f1_low", "accuracy"])
    for form in (table1.markdown, table1.latex, table1.csv):
        with pytest.raises(ValueError, match="columns macro_f1_low, accuracy"):
            form(lacking)
    with pytest.raises(ValueError, match="empty"):
        table1.markdown(table[:0])


def test_table_is_written_to_three_files_that_read_back(tmp_path, table):
    files = table1.write(table, tmp_path / "new" / "table1", note="demonstration corpus")
    assert [file.name for file in files] == ["table1.md", "table1.csv", "table1.tex"]
    back = pd.read_csv(files[1])
    assert table1.markdown(back) == table1.markdown(table)  # empty negatives come back as NaN
    assert "*demonstration corpus*" in files[0].read_text()
    assert "demonstration corpus" in files[2].read_text()
    assert "demonstration" not in files[1].read_text()


def test_difference_is_signed_with_its_interval_or_a_dash(table):
    lines = table1.markdown(table).splitlines()[2:6]
    shown = [line.strip(" ").strip("|").split("|")[-3].strip(" *") for line in lines]
    dash = DASH
    assert shown == [dash, dash, "+0.038 (+0.018 to +0.058)", "-0.014 (-0.034 to +0.007)"]


def test_row_that_reads_whole_songs_is_not_bold(table):
    song = table.iloc[[2]].assign(condition="GBT on songs", context="song", macro_f1=0.9)
    both = pd.concat([table, song], ignore_index=True)
    bold = [line for line in table1.markdown(both).splitlines() if "**" in line]
    assert [line.split("|")[1].strip(" *") for line in bold] == ["Fine-tuned CAMIL"]
    assert table1.latex(both).count("midrule") == table1.latex(table).count("midrule") + 1


def test_small_table_is_written_with_the_given_headings(tmp_path):
    small = pd.DataFrame({"name": ["a|b", "c"], "f1": [0.12345, np.nan], "n": [3, 4]})
    files = write_plain(small, tmp_path / "x" / "small", "why_not", {"name": "N", "f1": "F1"})
    assert files[0].read_text().splitlines() == [
        "| N | F1 |",
        "|:--|--:|",
        r"| a\|b | 0.123 |",
        f"| c | {DASH} |",
        "",
        r"*why\_not*",
    ]
    pd.testing.assert_frame_equal(pd.read_csv(files[1]), small)


def test_warnings_are_shown_in_words_and_no_row_is_bold_beside_them(table):
    table.loc[1, "warnings"] = "8 test songs; 40 steps"
    markdown, latex = table1.markdown(table), table1.latex(table)
    assert markdown.splitlines()[3].endswith("| 8 test songs; 40 steps |")
    assert "**" not in markdown
    assert r"\textbf" not in latex
    assert "8 test songs; 40 steps" in latex
    assert "8 test songs; 40 steps" in table1.csv(table)
    table["warnings"] = [
        "8 test songs",
        "",
        "",
        "",
    ]  # of the audio reference, which is not compared
    assert "**Fine-tuned CAMIL**" in table1.markdown(table)


def test_a_changed_score_changes_one_line_of_the_markdown(table):
    before = table1.markdown(table).splitlines()
    table.loc[0, "condition"] = "AIC (a long name that would widen its column)"
    after = table1.markdown(table).splitlines()
    assert [
        i for i, lines in enumerate(zip(before, after, strict=True)) if len(set(lines)) > 1
    ] == [2]
