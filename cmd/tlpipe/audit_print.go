package main

import (
	"fmt"
	"io"
	"slices"
	"text/tabwriter"

	"tlpipe/pipeline/sanitize"
	"tlpipe/stages/audit"
	"tlpipe/stages/formats"
	"tlpipe/stages/wording"
)

const (
	classesShown = 20 // lines of the table of classes at most
	shownOfKind  = 3  // findings of a kind on the screen
	shownAside   = 3
)

// printAudit says what an audit found, for a person who reads on: the page shows all of it.
func printAudit(w io.Writer, name string, s *audit.Saved) {
	total := 0
	for _, counts := range s.Counts {
		total += sum(counts)
	}
	fmt.Fprintf(w, "%s: %s of %d classes were looked at", name, wording.Count(total, "image"), len(s.Classes))
	if s.Dropped > 0 {
		fmt.Fprintf(w, "; %d that normalize.drop names are left out", s.Dropped)
	}
	fmt.Fprint(w, "\n\n")
	printClasses(w, s)
	found := 0
	for _, kind := range audit.Kinds {
		list := s.Of(kind.Name)
		if len(list) == 0 {
			continue
		}
		found++
		fmt.Fprintf(w, "\n%s: %d\n", kind.Title, len(list))
		table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
		for _, f := range list[:min(len(list), shownOfKind)] {
			fmt.Fprintf(table, "  %s\t%s, %s\t%.3f", sanitize.Name(f.Path), f.Split, sanitize.Name(f.Label), f.Score)
			switch {
			case f.Suggested != "":
				fmt.Fprintf(table, "\trather %s", sanitize.Name(f.Suggested))
			case f.Other != nil:
				fmt.Fprintf(table, "\tbeside %s (%s)", sanitize.Name(f.OtherPath), sanitize.Name(f.OtherNote))
			}
			fmt.Fprintln(table)
		}
		table.Flush()
		if more := len(list) - shownOfKind; more > 0 {
			fmt.Fprintf(w, "  … and %d more\n", more)
		}
	}
	if found == 0 {
		fmt.Fprintln(w, "\nnothing was found")
	}
	if len(s.Aside) > 0 {
		fmt.Fprintf(w, "\nFiles that decode set aside: %d\n", len(s.Aside))
		for _, f := range s.Aside[:min(len(s.Aside), shownAside)] {
			fmt.Fprintf(w, "  %s: %s\n", sanitize.Name(f.Path), f.Reason)
		}
		if more := len(s.Aside) - shownAside; more > 0 {
			fmt.Fprintf(w, "  … and %d more\n", more)
		}
	}
	for _, note := range s.Notes {
		fmt.Fprintf(w, "\nnote: %s\n", note)
	}
}

// printClasses shows how many images each class has in each split: of many classes the largest and the smallest.
func printClasses(w io.Writer, s *audit.Saved) {
	order := make([]int, len(s.Classes))
	for i := range order {
		order[i] = i
	}
	train := s.Counts[formats.Train]
	slices.SortStableFunc(order, func(a, b int) int { return train[b] - train[a] })
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprint(table, "class\t")
	for _, split := range formats.Splits {
		fmt.Fprintf(table, "%s\t", split)
	}
	fmt.Fprintln(table)
	for i, class := range order {
		if len(order) > classesShown && i == classesShown/2 {
			fmt.Fprint(table, "…\t\t\t\t\n")
		}
		if len(order) > classesShown && i >= classesShown/2 && i < len(order)-classesShown/2 {
			continue
		}
		fmt.Fprintf(table, "%s\t", sanitize.Name(s.Classes[class]))
		for _, split := range formats.Splits {
			n := 0
			if counts := s.Counts[split]; counts != nil {
				n = counts[class]
			}
			fmt.Fprintf(table, "%d\t", n)
		}
		fmt.Fprintln(table)
	}
	table.Flush()
	if least, most := train[order[len(order)-1]], train[order[0]]; least > 0 && most >= 5*least {
		fmt.Fprintf(w, "the largest class has %d times the training images of the smallest: fine-tune.class_weight can balance them\n", most/least)
	}
}

func sum(values []int) (total int) {
	for _, v := range values {
		total += v
	}
	return total
}
