package runpage

import "html/template"

// section is one part of the page. Its template is section_ID.tmpl.html, which is given what build makes.
type section struct {
	id      string
	title   string
	meaning string // the sentence below the title

	// build makes what the template shows. lacks says why there is nothing to show; the template is left out then.
	build func(*Run, *Thumbnails) (content any, lacks string, err error)
}

// sections lists all of them in the order of the page. A further one is a file, its template and a line here.
func sections() []section {
	return []section{
		{"verdict", "The verdict", "How often the model is right, how sure that figure is, and what was trained.", verdict},
		{"mistakes", "The mistakes", "What the model gets wrong although it is sure, and what it barely gets right.", mistakes},
		{"confusion", "What is taken for what", "Which classes the model mixes up. Choose a cell, a class or a bar, and the gallery below shows its images.", confusion},
		{"quality", "Class by class, and how sure", "How good the model is on each class, and whether its own certainty can be relied on.", quality},
		{"learning", "The training", "How accuracy and loss went while it learned, and which epoch was kept.", learning},
		{"features", "The map of the images", "Which images are alike to the network, and where its mistakes lie among them.", features},
		{"audit", "The data audit", "Wrong labels, pictures that occur twice, bad pictures: what to look at in the data itself.", auditSection},
		{"provenance", "How it was made", "Where time and memory went, what was used, and how to make the run again.", provenance},
	}
}

// shownSection is a section as the page's template is given it.
type shownSection struct {
	ID, Title, Meaning string
	Lacks              string
	Body               template.HTML // made by the section's own template
}
