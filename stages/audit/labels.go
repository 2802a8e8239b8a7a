package audit

import (
	"math"
	"slices"
)

// labelIssues says which labels are probably wrong, given the probabilities of the classes for each image by a model that
// had not learned from it: confident learning (Northcutt, Jiang, Chuang 2021), as cleanlab's find_label_issues does it with
// filter_by="prune_by_noise_rate", its default.
func labelIssues(labels []int, probabilities []float64, classes int) []bool {
	joint := keepOne(confidentJoint(labels, probabilities, classes))
	issues := make([]bool, len(labels))
	members := make([][]int, classes)
	for i, label := range labels {
		members[label] = append(members[label], i)
	}
	for given := range classes {
		if len(members[given]) <= 1 { // the last image of a class stays
			continue
		}
		for other, count := range joint[given] {
			if other == given || count <= 0 {
				continue
			}
			order := slices.Clone(members[given])
			margin := func(i int) float64 { return probabilities[i*classes+other] - probabilities[i*classes+given] }
			slices.SortStableFunc(order, func(a, b int) int { return compare(margin(b), margin(a)) })
			for _, i := range order[:min(count, len(order))] {
				issues[i] = true
			}
		}
	}
	for i, label := range labels { // what the model agrees with is no issue
		row := probabilities[i*classes : (i+1)*classes]
		if slices.Max(row) <= row[label]+1e-6 {
			issues[i] = false
		}
	}
	return issues
}

func compare(a, b float64) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

// confidentJoint estimates how many images with a given label (the row) are in truth of a class (the column).
func confidentJoint(labels []int, probabilities []float64, classes int) [][]int {
	thresholds, counts := make([]float64, classes), make([]float64, classes)
	for i, label := range labels {
		thresholds[label] += probabilities[i*classes+label]
		counts[label]++
	}
	for c := range thresholds {
		if counts[c] == 0 {
			thresholds[c] = 2 // nothing is of this class
			continue
		}
		thresholds[c] = max(thresholds[c]/counts[c], 2e-6)
	}
	joint := make([][]float64, classes)
	for c := range joint {
		joint[c] = make([]float64, classes)
	}
	for i, label := range labels {
		row, confident, most := probabilities[i*classes:(i+1)*classes], -1, 0
		several := false
		for c, p := range row {
			if p > row[most] {
				most = c
			}
			if p >= thresholds[c]-1e-6 {
				several = confident >= 0
				confident = c
			}
		}
		if several {
			confident = most
		}
		if confident >= 0 {
			joint[label][confident]++
		}
	}
	total, all := 0.0, float64(len(labels))
	for c, row := range joint {
		row[c] = max(row[c], 1)
		sum := 0.0
		for _, v := range row {
			sum += v
		}
		for j := range row {
			row[j] = row[j] / max(sum, 1e-100) * counts[c]
			total += row[j]
		}
	}
	out := make([][]int, classes)
	for c, row := range joint {
		for j := range row {
			row[j] = row[j] / max(total, 1e-100) * all
		}
		out[c] = roundKeepingSum(row)
	}
	return out
}

// roundKeepingSum rounds values so that their sum stays, as cleanlab's round_preserving_sum does.
func roundKeepingSum(values []float64) []int {
	rounded := make([]float64, len(values))
	sum, now := 0.0, 0.0
	for i, v := range values {
		rounded[i] = math.RoundToEven(v)
		sum += v
		now += rounded[i]
	}
	for want := math.RoundToEven(sum); now != want; {
		step := 1.0
		if want < now {
			step = -1
		}
		order := make([]int, len(values))
		for i := range order {
			order[i] = i
		}
		slices.SortStableFunc(order, func(a, b int) int { return compare(values[a]-rounded[a], values[b]-rounded[b]) })
		if step > 0 {
			slices.Reverse(order)
		}
		for _, i := range order[:min(len(order), int(math.Abs(want-now)))] {
			rounded[i] += step
			now += step
		}
	}
	out := make([]int, len(values))
	for i, v := range rounded {
		out[i] = int(v)
	}
	return out
}

// keepOne makes the diagonal of a joint at least 1, so that an image of each class stays, at the cost of the row's other
// counts, as cleanlab's _keep_at_least_n_per_class does.
func keepOne(joint [][]int) [][]int {
	classes := len(joint)
	columns := make([][]float64, classes) // by the true class, as it rounds them
	for c := range columns {
		columns[c] = make([]float64, classes)
	}
	for given, row := range joint {
		missing, others := max(0, 1-row[given]), -1
		for _, v := range row {
			if v != 0 {
				others++
			}
		}
		for c, v := range row {
			columns[c][given] = max(0, float64(v)-float64(missing)/float64(max(others, 1)))
		}
		columns[given][given] = float64(max(row[given], 1))
	}
	kept := make([][]int, classes)
	for c := range kept {
		kept[c] = make([]int, classes)
	}
	for c, column := range columns {
		for given, v := range roundKeepingSum(column) {
			kept[given][c] = v
		}
	}
	return kept
}
