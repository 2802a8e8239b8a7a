// Package config turns YAML files into typed settings and finds every problem in one pass. It knows nothing of what the
// settings mean: it works on any struct type whose fields carry the tags below.
//
// The nouns:
//
//   - A file is one YAML document with one mapping. Several files are merged in order: mappings key by key, anything
//     else is replaced. A set is one override from the command line, "path.to.key=VALUE", merged after the files.
//   - A kind is a key in a field tagged kinds. In YAML that field is a list of mappings with one key each; in Go it is a
//     struct of pointers to structs. The list must be in the order of the struct's fields; kinds that are not listed are nil.
//   - A default is the value of a setting that no file and no set gives. Items of lists have zero values as defaults.
//   - A [Problem] is one thing that is wrong, with its place. [Problems] is the error that holds all of them.
//   - A [Source] remembers where each setting came from, so that later checks can point there too.
//   - The schema is a JSON Schema made from the same struct type. It is what files are checked against, and what editors
//     can use.
//
// The tags of a field:
//
//	yaml                    its key
//	jsonschema              limits, as github.com/invopop/jsonschema reads them: required, enum=, minimum=, pattern=, …
//	jsonschema_description  one line of documentation
//	kinds:"true"            the field is a list of kinds; only at the top of the settings
//	path:"true"             a path: a relative one is resolved against the folder of the file it stands in, or against the
//	                        working directory where a set gives it
//
// A type with a YAML form of its own has UnmarshalYAML, MarshalYAML and JSONSchema methods. Embedded and inline structs
// are not supported. An empty value ("featurize:") of a mapping is an empty mapping; a pointer to a scalar takes null.
package config
