#pragma once

#include <boost/json.hpp>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

// For the files that people write. Included by .cpp files of this folder only.

namespace agentctl {

namespace json = boost::json;

/// One value in a document, and where it is: whatever is refused names the file and the place as a JSON pointer
/// (RFC 6901). Unlike Fields (json_fields.hpp), which reads what agentctl wrote, it is strict about unknown keys.
class Place {
 public:
  const json::value& value() const { return *value_; }
  const std::string& pointer() const { return pointer_; }

  /// Throws Error{usage}: "invalid release.json: /steps/2/name: must be …".
  [[noreturn]] void refuse(const std::string& rule) const;

  /// The members of an object; refuses what is no object, and members that are not among `keys`.
  void only(std::initializer_list<std::string_view> keys) const;

  std::optional<Place> find(std::string_view key) const;
  Place required(std::string_view key) const;
  std::vector<Place> items() const;
  /// Key and place of each member.
  std::vector<std::pair<std::string, Place>> members() const;

  /// Not empty, without NUL, at most `limit` bytes.
  std::string text(std::size_t limit = 4096) const;
  std::int64_t number(std::int64_t low, std::int64_t high) const;
  bool flag() const;
  std::vector<std::string> texts() const;
  /// A string in valid UTF-8, whatever its length and characters; half a surrogate pair is U+FFFD. Only of a string.
  std::string string() const;

 private:
  friend class JsonDocument;
  Place(const json::value& value, std::string pointer, const std::string& file)
      : value_(&value), pointer_(std::move(pointer)), file_(&file) {}
  Place below(const json::value& value, std::string_view key) const;

  const json::value* value_;
  std::string pointer_;
  const std::string* file_;
};

/// A parsed file. Throws Error{usage} for what is no JSON, with the line; it outlives its places. Of keys that are the
/// same the last one counts; numbers are the nearest double, as everywhere else where JSON is read. Half a surrogate
/// pair ("\ud800") is taken as JavaScript does: the value has it as in WTF-8, Place::string() has U+FFFD.
class JsonDocument {
 public:
  JsonDocument(std::string_view text, std::string file, std::size_t max_depth = 16);
  Place root() const { return {value_, {}, file_}; }

 private:
  std::string file_;
  json::value value_;
};

}  // namespace agentctl
