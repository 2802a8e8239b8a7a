// Package runpage makes the page of one run: report.html, a single file that needs nothing else and that a person
// understands in a minute.
//
// A Run is what a run left in its store; Gather reads it, and notes what is missing or damaged instead of failing. The page
// is a list of sections (sections.go). A section is one Go file, which makes what its template is given, and one template
// file, section_NAME.tmpl.html. A section that has nothing to show says what it lacks, and the page goes on.
//
// Pictures are Thumbnails of the decoded images; how many bytes all of them together may take is bounded, so that the
// page stays below 3 MB whatever the size of the data set. Class names and paths are data of others: they reach the page
// as text by html/template, or as JSON that the script puts into text nodes, and never become markup.
package runpage
