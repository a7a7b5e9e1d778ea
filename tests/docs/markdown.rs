//! As much of Markdown as our documents use: headings, fenced blocks, tables, code spans, links.
//! It judges nothing.

use std::collections::BTreeSet;

const FENCE: &str = "```";

/// A fenced block.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Block {
    /// The word behind the fence.
    pub(crate) language: String,
    pub(crate) text: String,
    /// The line of its first line, from 1.
    pub(crate) line: usize,
}

/// A row of a table.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) line: usize,
    pub(crate) cells: Vec<String>,
}

impl Row {
    /// The code spans of a cell.
    pub(crate) fn spans(&self, cell: usize) -> Vec<String> {
        let text = self.cells.get(cell).map(String::as_str).unwrap_or_default();
        spans(text).into_iter().map(str::to_owned).collect()
    }

    /// A cell without its backticks.
    pub(crate) fn plain(&self, cell: usize) -> String {
        self.cells.get(cell).map(|text| text.replace('`', "")).unwrap_or_default()
    }
}

/// A row of a table, or what else stands below a heading, the heading included.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Unit {
    /// The line of its first line, from 1.
    pub(crate) line: usize,
    pub(crate) text: String,
}

impl Unit {
    /// Its code spans, also those that go on in the next line.
    pub(crate) fn names(&self) -> BTreeSet<String> {
        let whole = |span: &str| span.split_whitespace().collect::<Vec<_>>().join(" ");
        spans(&self.text).into_iter().map(whole).collect()
    }
}

/// All fenced blocks.
pub(crate) fn blocks(text: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut open: Option<Block> = None;
    for (number, line) in (1..).zip(text.lines()) {
        let fence = line.trim_start().strip_prefix(FENCE);
        match (&mut open, fence) {
            (None, Some(language)) => {
                let language = language.trim().to_owned();
                open = Some(Block { language, text: String::new(), line: number + 1 });
            }
            (Some(_), Some(_)) => blocks.extend(open.take()),
            (Some(block), None) => {
                block.text.push_str(line);
                block.text.push('\n');
            }
            (None, None) => {}
        }
    }
    blocks
}

/// The lines outside of fenced blocks, with their numbers from 1.
pub(crate) fn prose(text: &str) -> Vec<(usize, &str)> {
    let mut in_block = false;
    let mut lines = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        let is_fence = line.trim_start().starts_with(FENCE);
        in_block ^= is_fence;
        if !in_block && !is_fence {
            lines.push((number, line));
        }
    }
    lines
}

/// Everything outside of fenced blocks, in units that a translation has as well.
pub(crate) fn units(text: &str) -> Vec<Unit> {
    let mut units = vec![Unit { line: 1, text: String::new() }];
    let mut open = 0;
    for (line, part) in prose(text) {
        let is_row = cells(part).is_some();
        if is_row || heading(part).is_some() {
            units.push(Unit { line, text: part.to_owned() });
            open = if is_row { open } else { units.len() - 1 };
        } else if let Some(unit) = units.get_mut(open) {
            unit.text.push('\n');
            unit.text.push_str(part);
        }
    }
    units
}

/// The numbers in digits of what is no code span and no place of a link, without their commas.
pub(crate) fn numbers(text: &str) -> BTreeSet<String> {
    let outside = text.split('`').step_by(2).collect::<Vec<_>>().join(" ");
    let told = outside.split("](").enumerate().map(|(number, part)| match number {
        0 => part,
        _ => part.split_once(')').map_or(part, |(_, after)| after),
    });
    let told = told.collect::<Vec<_>>().join(" ");
    let is_part = |letter: char| letter.is_ascii_digit() || ".,".contains(letter);
    let runs = told.split(|letter| !is_part(letter)).map(|run| run.replace(',', ""));
    let numbers = runs.map(|run| run.trim_matches('.').to_owned());
    numbers.filter(|number| !number.is_empty()).collect()
}

/// Levels and titles of all headings.
pub(crate) fn headings(text: &str) -> Vec<(usize, String)> {
    prose(text).into_iter().filter_map(|(_, line)| heading(line)).collect()
}

fn heading(line: &str) -> Option<(usize, String)> {
    let level = line.bytes().take_while(|byte| *byte == b'#').count();
    let title = line.get(level..)?.strip_prefix(' ')?;
    (level > 0).then(|| (level, title.trim().to_owned()))
}

/// What stands between single backticks.
pub(crate) fn spans(line: &str) -> Vec<&str> {
    line.split('`').skip(1).step_by(2).collect()
}

/// Where the links of a line point to.
pub(crate) fn links(line: &str) -> Vec<&str> {
    line.split("](").skip(1).filter_map(|rest| rest.split(')').next()).collect()
}

/// The rows of every table whose header is this, table by table.
pub(crate) fn tables(text: &str, header: &[&str]) -> Vec<Vec<Row>> {
    let mut tables: Vec<Vec<Row>> = Vec::new();
    let (mut before, mut inside) = (Vec::new(), false);
    for (number, line) in prose(text) {
        let Some(cells) = cells(line) else {
            (before, inside) = (Vec::new(), false);
            continue;
        };
        let is_rule =
            cells.iter().all(|cell| !cell.is_empty() && cell.trim_matches('-').is_empty());
        if is_rule {
            inside = before.iter().map(String::as_str).eq(header.iter().copied());
            if inside {
                tables.push(Vec::new());
            }
        } else if let (true, Some(table)) = (inside, tables.last_mut()) {
            table.push(Row { line: number, cells: cells.clone() });
        }
        before = cells;
    }
    tables
}

/// How many rows each table has, headers not counted.
pub(crate) fn table_sizes(text: &str) -> Vec<usize> {
    let mut sizes = Vec::new();
    let mut rows = 0usize;
    for (_, line) in prose(text).into_iter().chain([(0, "")]) {
        match cells(line) {
            Some(_) => rows += 1,
            None if rows > 0 => sizes.push(std::mem::take(&mut rows).saturating_sub(2)),
            None => {}
        }
    }
    sizes
}

fn cells(line: &str) -> Option<Vec<String>> {
    let inner = line.trim().strip_prefix('|')?.strip_suffix('|')?;
    Some(inner.split('|').map(|cell| cell.trim().to_owned()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "# One\n\n| a | b |\n|---|---|\n| `x` y `z` | 2 |\n\n\
        ```sh\n# no\nmake up\n```\n## Two\nsee [it](docs/a.md)\n";

    #[test]
    fn the_parts_are_found() {
        assert_eq!(headings(TEXT), [(1, "One".to_owned()), (2, "Two".to_owned())]);
        let block = &blocks(TEXT)[0];
        assert_eq!((block.language.as_str(), block.line), ("sh", 8));
        assert_eq!(block.text, "# no\nmake up\n");
        let table = &tables(TEXT, &["a", "b"])[0];
        assert_eq!(table[0].spans(0), ["x", "z"]);
        assert_eq!((table[0].line, table[0].plain(1).as_str()), (5, "2"));
        assert!(tables(TEXT, &["a", "c"]).is_empty());
        assert_eq!(table_sizes(TEXT), [1]);
        assert_eq!(links("see [it](docs/a.md) and [b](c)"), ["docs/a.md", "c"]);
    }

    #[test]
    fn a_unit_is_a_row_or_what_is_below_a_heading() {
        let text = "# One `a\nb`\n\n| `c` | d |\n|---|---|\n\nand `e`\n## Two\n";
        let units = units(text);
        let lines: Vec<usize> = units.iter().map(|unit| unit.line).collect();
        assert_eq!(lines, [1, 1, 4, 5, 8]);
        let names = |number: usize| units[number].names().into_iter().collect::<Vec<_>>();
        assert_eq!((names(1), names(2)), (vec!["a b".into(), "e".into()], vec!["c".into()]));
    }

    #[test]
    fn numbers_are_found_outside_of_code() {
        let found = numbers("1,431 in `2` of [3](4.md), 0.5. p99, 1–6: x");
        assert_eq!(found.into_iter().collect::<Vec<_>>(), ["0.5", "1", "1431", "3", "6", "99"]);
    }
}
