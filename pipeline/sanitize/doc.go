// Package sanitize stands between text that others chose and whoever reads what tlpipe prints or writes: a terminal, a
// spreadsheet, a JSON parser. Foreign text is the names of files and classes, what a server or a library says, and
// whatever a config or a summary from elsewhere holds.
//
// Four forms are enough:
//
//   - A [Writer] is what all commands print to. Nothing that passes it can move a cursor, change colors, set a title or
//     reorder what is shown, so that no command has to think of it.
//   - [Text] does the same for one string.
//   - [Name] is a file's or a class's name within a line: quoted if it could break the line or be mistaken for another.
//   - [Cell] is a name in a CSV file, which no spreadsheet takes for a formula.
package sanitize
