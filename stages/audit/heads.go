package audit

import (
	"context"
	"math"
	"runtime"

	"golang.org/x/sync/errgroup"
	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/blas/blas64"
	"gonum.org/v1/gonum/optimize"

	"tlpipe/pipeline/guard"
	"tlpipe/stages/shuffle"
)

const (
	folds = 5
	// headWork bounds the multiplications that training the heads may take, all folds together: with very many images and
	// classes they stop before they have converged.
	headWork    = 1e10
	mostSteps   = 20
	fewestSteps = 6

	exponentialWork = 50 // multiplications that take as long as a score's exponential

	headPenalty = 0.01
)

// crossValidated gives for each point the probabilities of the classes, by a multinomial logistic regression that was
// trained on other points: those of the other folds, which are stratified. A class with a single image is not known to the
// head that judges it.
func crossValidated(ctx context.Context, points []float32, width int, labels []int, classes int, penalty float64) ([]float64, error) {
	n := len(labels)
	fold := foldsOf(labels, classes)
	evaluation := float64(n) * float64(classes) * float64(width+exponentialWork) * (folds - 1)
	steps := int(min(mostSteps, max(fewestSteps, headWork/max(1, evaluation))))
	scale := rms(points)
	probabilities := make([]float64, n*classes)
	work, ctx := errgroup.WithContext(ctx)
	work.SetLimit(runtime.GOMAXPROCS(0))
	for k := range folds {
		work.Go(func() error {
			return guard.Run(func() error {
				h := &head{ctx: ctx, width: width + 1, classes: classes, penalty: penalty}
				var held []int
				for i := range n {
					if fold[i] == k {
						held = append(held, i)
						continue
					}
					h.add(points[i*width:(i+1)*width], scale, labels[i])
				}
				if len(held) == 0 || len(h.labels) == 0 {
					return nil
				}
				weights, err := h.train(steps)
				if err != nil {
					return err
				}
				for _, i := range held {
					h.predict(probabilities[i*classes:(i+1)*classes], weights, points[i*width:(i+1)*width], scale)
				}
				return nil
			})
		})
	}
	return probabilities, work.Wait()
}

// foldsOf says which fold each image is in: those of a class are spread evenly, in an order drawn by chance.
func foldsOf(labels []int, classes int) []int {
	fold, next := make([]int, len(labels)), make([]int, classes)
	for c := range next {
		next[c] = c // classes with few images do not all begin in the same fold
	}
	for _, i := range shuffle.Permutation(len(labels), 0, "audit/folds") {
		fold[i] = next[labels[i]] % folds
		next[labels[i]]++
	}
	return fold
}

// rms is the root of the mean square of all values: what brings points to a scale that the penalty suits.
func rms(values []float32) float64 {
	sum := 0.0
	for _, v := range values {
		sum += float64(v) * float64(v)
	}
	if sum == 0 {
		return 1
	}
	return math.Sqrt(sum / float64(len(values)))
}

// head is a multinomial logistic regression while it is trained. Its weights are classes × width; the last column is the
// bias, which is not penalised.
type head struct {
	ctx            context.Context
	width, classes int
	penalty        float64
	x              []float64
	labels         []int
	scores         []float64 // of one evaluation
}

func (h *head) add(point []float32, scale float64, label int) {
	for _, v := range point {
		h.x = append(h.x, float64(v)/scale)
	}
	h.x = append(h.x, 1)
	h.labels = append(h.labels, label)
}

func (h *head) train(steps int) ([]float64, error) {
	h.scores = make([]float64, len(h.labels)*h.classes)
	gradient := make([]float64, h.classes*h.width)
	var at []float64 // the weights that gradient is of
	loss := 0.0
	evaluate := func(w []float64) {
		if at == nil || !equal(at, w) {
			at = append(at[:0], w...)
			loss = h.loss(gradient, w)
		}
	}
	problem := optimize.Problem{
		Func: func(w []float64) float64 { evaluate(w); return loss },
		Grad: func(g, w []float64) { evaluate(w); copy(g, gradient) },
		Status: func() (optimize.Status, error) {
			if err := h.ctx.Err(); err != nil {
				return optimize.Failure, err
			}
			return optimize.NotTerminated, nil
		},
	}
	result, err := optimize.Minimize(problem, make([]float64, h.classes*h.width),
		&optimize.Settings{MajorIterations: steps, FuncEvaluations: 2 * steps, GradientThreshold: 1e-5, Concurrent: 1}, &optimize.LBFGS{Store: 8})
	if h.ctx.Err() != nil {
		return nil, h.ctx.Err()
	}
	if result == nil {
		return nil, err
	}
	return result.X, nil // a line search that finds no better point has found the best one
}

// loss is the mean cross entropy with the penalty, and its gradient.
func (h *head) loss(gradient, w []float64) float64 {
	n := len(h.labels)
	x := blas64.General{Rows: n, Cols: h.width, Stride: h.width, Data: h.x}
	scores := blas64.General{Rows: n, Cols: h.classes, Stride: h.classes, Data: h.scores}
	weights := blas64.General{Rows: h.classes, Cols: h.width, Stride: h.width, Data: w}
	blas64.Gemm(blas.NoTrans, blas.Trans, 1, x, weights, 0, scores)
	loss := 0.0
	for i, label := range h.labels {
		row := h.scores[i*h.classes : (i+1)*h.classes]
		loss -= math.Log(max(softmax(row, label), 1e-300))
		row[label]--
	}
	blas64.Gemm(blas.Trans, blas.NoTrans, 1/float64(n), scores, x, 0, blas64.General{Rows: h.classes, Cols: h.width, Stride: h.width, Data: gradient})
	loss /= float64(n)
	for c := range h.classes {
		for j := range h.width - 1 {
			v := w[c*h.width+j]
			loss += h.penalty / 2 * v * v
			gradient[c*h.width+j] += h.penalty * v
		}
	}
	return loss
}

// softmax makes scores probabilities, and gives that of a class.
func softmax(scores []float64, class int) float64 {
	most := scores[0]
	for _, v := range scores {
		most = max(most, v)
	}
	sum := 0.0
	for c, v := range scores {
		scores[c] = math.Exp(v - most)
		sum += scores[c]
	}
	for c := range scores {
		scores[c] /= sum
	}
	return scores[class]
}

func (h *head) predict(dst, w []float64, point []float32, scale float64) {
	for c := range h.classes {
		row := w[c*h.width : (c+1)*h.width]
		score := row[h.width-1]
		for j, v := range point {
			score += row[j] * float64(v) / scale
		}
		dst[c] = score
	}
	softmax(dst, 0)
}

func equal(a, b []float64) bool {
	for i, v := range a {
		if v != b[i] {
			return false
		}
	}
	return true
}
