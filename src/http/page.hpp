#pragma once

#include <string_view>

namespace agentctl {

struct PageFile {
  std::string_view name;  ///< "page.css"; the page itself has none
  std::string_view type;
  std::string_view content;
};

/// A file of page/, which is compiled in; nothing for other names.
const PageFile* find_page_file(std::string_view name);

}  // namespace agentctl
