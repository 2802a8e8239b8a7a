package formats

// The types of artifacts, in the order in which a pipeline makes them. doc.go lists the files of each.
const (
	ArchiveType  = "archive"
	ImagesType   = "images"
	DatasetType  = "dataset"
	PrefixType   = "prefix"
	FeaturesType = "features"
	SuffixType   = "suffix"
	ModelType    = "model"
	ReportType   = "report"
)
