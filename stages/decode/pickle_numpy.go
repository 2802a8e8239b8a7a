package decode

import (
	"errors"
	"fmt"
)

// construct imitates the few functions and classes that a pickled NumPy array is made with.
func (p *unpickler) construct(op byte) error {
	switch op {
	case 'c': // GLOBAL
		module, err := p.line()
		if err != nil {
			return err
		}
		name, err := p.line()
		if err != nil {
			return err
		}
		return p.pushGlobal(module, name)
	case 0x93: // STACK_GLOBAL
		values, err := p.popN(2)
		if err != nil {
			return err
		}
		return p.pushGlobal(values[0], values[1])
	}
	values, err := p.popN(2)
	if err != nil {
		return err
	}
	args, ok := values[1].(pickledTuple)
	if !ok {
		return fmt.Errorf("pickle: arguments of type %T", values[1])
	}
	if op == 'b' { // BUILD
		p.push(values[0])
		return p.build(values[0], args)
	}
	function, ok := values[0].(pickledGlobal)
	if !ok {
		return fmt.Errorf("pickle: call of a %T", values[0])
	}
	v, err := p.call(function, args)
	if err != nil {
		return err
	}
	p.push(v)
	return nil
}

// spend counts the bytes that are about to be copied.
func (p *unpickler) spend(n int) error {
	if p.spare -= n; p.spare < 0 {
		return errors.New("pickle: it unpacks to more than it can hold; it may be hostile")
	}
	return nil
}

func (p *unpickler) pushGlobal(module, name any) error {
	first, ok1 := module.(string)
	second, ok2 := name.(string)
	if !ok1 || !ok2 {
		return errors.New("pickle: a name that is not text")
	}
	global := pickledGlobal(first + " " + second)
	switch global {
	case "numpy.core.multiarray _reconstruct", "numpy._core.multiarray _reconstruct",
		"numpy.core.numeric _frombuffer", "numpy._core.numeric _frombuffer",
		"numpy ndarray", "numpy dtype", "_codecs encode":
		p.push(global)
		return nil
	}
	return fmt.Errorf("pickle: it wants %.80q, which is not a part of a CIFAR archive; it may be hostile", string(global))
}

func (p *unpickler) call(function pickledGlobal, args pickledTuple) (any, error) {
	wrong := fmt.Errorf("pickle: unexpected arguments of %s", function)
	switch function {
	case "_codecs encode": // bytes as Python 3 writes them for Python 2: text that has each byte as a character
		text, ok := first[string](args)
		if !ok || len(args) != 2 || args[1] != "latin1" {
			return nil, wrong
		}
		if err := p.spend(len(text)); err != nil {
			return nil, err
		}
		raw := make([]byte, 0, len(text))
		for _, c := range text {
			if c > 0xff {
				return nil, wrong
			}
			raw = append(raw, byte(c))
		}
		return string(raw), nil
	case "numpy dtype":
		name, ok := first[string](args)
		if !ok {
			return nil, wrong
		}
		return &pickledDType{name}, nil
	case "numpy.core.multiarray _reconstruct", "numpy._core.multiarray _reconstruct":
		return &pickledArray{}, nil // build fills it
	case "numpy.core.numeric _frombuffer", "numpy._core.numeric _frombuffer":
		if len(args) != 4 {
			return nil, wrong
		}
		return p.newArray(args[2], args[1], args[3] == "F", args[0])
	}
	return nil, wrong
}

func first[T any](args pickledTuple) (v T, ok bool) {
	if len(args) > 0 {
		v, ok = args[0].(T)
	}
	return v, ok
}

// build fills an array made by _reconstruct with (version, shape, dtype, is fortran, bytes).
func (p *unpickler) build(target any, state pickledTuple) error {
	switch target := target.(type) {
	case *pickledDType: // byte order and such: nothing that uint8 has
		return nil
	case *pickledArray:
		if len(state) != 5 {
			return errors.New("pickle: unexpected state of an array")
		}
		a, err := p.newArray(state[1], state[2], state[3] == true, state[4])
		if err != nil {
			return err
		}
		*target = *a
		return nil
	}
	return fmt.Errorf("pickle: state of a %T", target)
}

func (p *unpickler) newArray(shape, dtype any, fortran bool, data any) (*pickledArray, error) {
	dims, ok1 := shape.(pickledTuple)
	kind, ok2 := dtype.(*pickledDType)
	bytes, ok3 := data.(string)
	if !ok1 || !ok2 || !ok3 {
		return nil, errors.New("pickle: unexpected parts of an array")
	}
	if err := p.spend(len(bytes)); err != nil {
		return nil, err
	}
	a := &pickledArray{dtype: kind.name, fortran: fortran, data: []byte(bytes)}
	for _, d := range dims {
		n, ok := d.(int)
		if !ok || n < 0 {
			return nil, errors.New("pickle: unexpected shape of an array")
		}
		a.shape = append(a.shape, n)
	}
	return a, nil
}
