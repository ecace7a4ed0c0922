package eval

import (
	"fmt"
	"slices"
	"strings"

	"sysc/lang/diag"
)

// A Cell is a named thing that is computed when it is first asked for, once.
type Cell[T any] struct {
	session *Session
	addr    string
	at      diag.Range
	compute func() (T, diag.List)
	running bool
	done    bool
	value   T
	diags   diag.List
}

// NewCell returns a cell. addr is what people call it, as in "local.x", and at
// where it is defined. When compute returns errors, its value should be usable
// all the same, such as an unknown one, so that readers find no errors of their
// own because of it.
func NewCell[T any](s *Session, addr string, at diag.Range, compute func() (T, diag.List)) *Cell[T] {
	c := &Cell[T]{session: s, addr: addr, at: at, compute: compute}
	if s.trace.replays() {
		s.trace.known(addr, func() diag.List {
			_, diags := c.Get(diag.Range{})
			return diags
		})
	}
	return c
}

// Addr returns what people call the cell.
func (c *Cell[T]) Addr() string { return c.addr }

// At returns where the cell is defined.
func (c *Cell[T]) At() diag.Range { return c.at }

// Known returns what Get returned, if somebody has asked for it.
func (c *Cell[T]) Known() (value T, diags diag.List, ok bool) { return c.value, c.diags, c.done }

// Get returns the cell's value and the problems met on the way, the same ones
// to everybody who asks (at most [diag.List.Limit] of them). from is the text that
// asks, or no place.
//
// A cell that is asked for while it is computed answers with one error that lists
// the whole cycle, and with the zero T.
func (c *Cell[T]) Get(from diag.Range) (T, diag.List) {
	c.session.trace.add(Event{Cell: c.addr})
	if c.done {
		return c.value, c.diags
	}
	if c.running {
		var zero T
		return zero, c.session.cycle(c.addr, c.at, from)
	}
	s := c.session
	defer s.leave(cellDepth)
	if !s.enter(cellDepth) {
		var zero T
		return zero, tooDeep(from)
	}
	c.running = true
	s.stack = append(s.stack, frame{c.addr, c.at, from})
	s.trace.begin()
	value, diags := c.compute()
	s.trace.end(c.addr)
	s.stack = s.stack[:len(s.stack)-1]
	c.value, c.diags = value, diags.Limit()
	c.running, c.done, c.compute = false, true, nil
	return c.value, diags
}

// maxCycle bounds the names that a cycle's message lists.
const maxCycle = 12

// cycle describes the cells on the stack from the one at that place to the top.
// Its beginning is the cell that stands first in the text, whichever was asked for first.
func (s *Session) cycle(addr string, at, from diag.Range) diag.List {
	i := len(s.stack) - 1
	for i > 0 && (s.stack[i].addr != addr || s.stack[i].at != at) {
		i--
	}
	ring := slices.Clone(s.stack[i:])
	ring[0].from = from // asked for by the last one of the ring
	first := 0
	for k := range ring {
		if ring[k].at.Compare(ring[first].at) < 0 {
			first = k
		}
	}
	ring = slices.Concat(ring[first:], ring[:first])
	if len(ring) == 1 {
		d := diag.New(diag.Error, pick(ring[0].from, ring[0].at), "Self reference",
			"%s needs its own value to be computed. Refer to something else, or give the common part a name of its own in a locals block.", addr)
		d.Fatal = true
		return diag.List{d}
	}
	var b strings.Builder
	for k, f := range ring {
		next := ring[(k+1)%len(ring)]
		if k == maxCycle && len(ring) > maxCycle+1 {
			fmt.Fprintf(&b, "  … and %d more\n", len(ring)-maxCycle)
			break
		}
		fmt.Fprintf(&b, "  %s (%s) needs %s\n", f.addr, pick(next.from, f.at), next.addr)
	}
	d := diag.New(diag.Error, pick(ring[0].at, ring[0].from), "Cycle",
		"These need one another to be computed:\n\n%s\nGive one of them a value that does not depend on the others.", b.String())
	d.Fatal = true
	return diag.List{d}
}

func pick(a, b diag.Range) diag.Range {
	if a.IsZero() {
		return b
	}
	return a
}
