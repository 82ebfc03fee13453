#pragma once

#include <optional>
#include <string>
#include <vector>

#include "cli/print.hpp"

namespace agentctl {

struct Cell {
  std::string text;
  Color color = Color::none;
};

struct Column {
  std::string title;
  bool right = false;     ///< numbers
  bool flexible = false;  ///< may be shortened to fit the terminal, the last such column first
  int rank = 0;           ///< when shortening is not enough, columns go by rank, highest first; 0 never goes
};

/// Rows under titles, made to fit `width` (nothing: as wide as it is). Columns in which nothing stands are left out.
std::string format_table(const std::vector<Column>& columns, const std::vector<std::vector<Cell>>& rows,
                         std::optional<std::size_t> width);

}  // namespace agentctl
