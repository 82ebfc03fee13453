#include "cli/table.hpp"

#include <algorithm>
#include <utility>

#include "cli/columns.hpp"

namespace agentctl {
namespace {

constexpr std::size_t gap = 2;
constexpr std::size_t narrowest = 8;

struct Layout {
  std::vector<bool> shown;
  std::vector<std::size_t> widths;

  std::size_t total() const {
    std::size_t sum = 0;
    for (std::size_t i = 0; i < widths.size(); ++i)
      if (shown[i]) sum += widths[i] + (sum > 0 ? gap : 0);
    return sum;
  }
};

Layout natural_layout(const std::vector<Column>& columns, const std::vector<std::vector<Cell>>& rows) {
  Layout layout{std::vector<bool>(columns.size(), false), std::vector<std::size_t>(columns.size(), 0)};
  for (std::size_t i = 0; i < columns.size(); ++i) {
    layout.widths[i] = count_columns(columns[i].title);
    for (const auto& row : rows) {
      layout.shown[i] = layout.shown[i] || !row[i].text.empty();
      layout.widths[i] = std::max(layout.widths[i], count_columns(row[i].text));
    }
    if (rows.empty()) layout.shown[i] = true;
  }
  return layout;
}

// Shortens the flexible columns, the last one first.
void shorten_columns(Layout& layout, const std::vector<Column>& columns, std::size_t width) {
  for (std::size_t i = columns.size(); i-- > 0;) {
    const std::size_t total = layout.total();
    if (total <= width) return;
    if (!columns[i].flexible || !layout.shown[i] || layout.widths[i] <= narrowest) continue;
    layout.widths[i] = std::max(narrowest, layout.widths[i] - std::min(layout.widths[i], total - width));
  }
}

void drop_column(Layout& layout, const std::vector<Column>& columns) {
  std::size_t worst = columns.size();
  for (std::size_t i = 0; i < columns.size(); ++i)
    if (layout.shown[i] && columns[i].rank > 0 && (worst == columns.size() || columns[i].rank > columns[worst].rank))
      worst = i;
  if (worst < columns.size()) layout.shown[worst] = false;
}

Layout fit(const std::vector<Column>& columns, const std::vector<std::vector<Cell>>& rows, std::size_t width) {
  const Layout natural = natural_layout(columns, rows);
  Layout layout = natural;
  for (std::size_t dropped = 0; dropped <= columns.size(); ++dropped) {
    layout.widths = natural.widths;
    shorten_columns(layout, columns, width);
    if (layout.total() <= width) break;
    drop_column(layout, columns);
  }
  return layout;
}

void append_row(std::string& text, const Layout& layout, const std::vector<Column>& columns,
                const std::vector<Cell>& cells) {
  std::size_t spaces = 0;  // held back, so that no line ends in them
  bool first = true;
  for (std::size_t i = 0; i < columns.size(); ++i) {
    if (!layout.shown[i]) continue;
    if (!first) spaces += gap;
    first = false;
    const std::string cell = fit_columns(cells[i].text, layout.widths[i]);
    const std::size_t fill = layout.widths[i] - count_columns(cell);
    if (columns[i].right) spaces += fill;
    if (!cell.empty()) {
      text.append(std::exchange(spaces, 0), ' ');
      text += paint(cell, cells[i].color);
    }
    if (!columns[i].right) spaces += fill;
  }
  text += '\n';
}

}  // namespace

std::string format_table(const std::vector<Column>& columns, const std::vector<std::vector<Cell>>& rows,
                         std::optional<std::size_t> width) {
  const Layout layout = width ? fit(columns, rows, *width) : natural_layout(columns, rows);
  std::vector<Cell> titles;
  for (const Column& column : columns) titles.push_back({column.title, Color::bold});
  std::string text;
  append_row(text, layout, columns, titles);
  for (const auto& row : rows) append_row(text, layout, columns, row);
  return text;
}

}  // namespace agentctl
