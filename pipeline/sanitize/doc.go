// Package sanitize makes untrusted text safe for the readers of tlpipe's output: a terminal, a spreadsheet, a JSON parser. Untrusted
// are the names of files and classes, messages of servers and libraries, and the content of configs and summaries from others.
//
// There are four forms:
//
//   - A [Writer] is what all commands print to. Nothing that passes it can move a cursor, change colors, set a title or
//     reorder what is shown, so that no command has to think of it.
//   - [Text] does the same for one string.
//   - [Name] is a file's or a class's name within a line: quoted if it could break the line or be mistaken for another.
//   - [Cell] is a name in a CSV file, which no spreadsheet takes for a formula.
package sanitize
