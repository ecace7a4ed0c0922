package lsp

import (
	"context"
	"maps"
	"path/filepath"
	"slices"
	"sync"

	"sysc/lang/diag"
	"sysc/modules/editor"
)

// checks evaluates definitions beside the answers to requests, one at a time, and
// publishes what is wrong with them. A definition that is to be checked again
// while that has not begun is checked once.
type checks struct {
	s      *server
	ctx    context.Context
	done   sync.WaitGroup
	wanted chan struct{}

	mu sync.Mutex
	// waiting are the sessions to be checked, in order.
	waiting []*editor.Session
	// shown are the files of each directory that have diagnostics at the editor.
	shown map[string]map[string]bool
}

func newChecks(ctx context.Context, s *server) *checks {
	c := &checks{s: s, ctx: ctx, wanted: make(chan struct{}, 1), shown: map[string]map[string]bool{}}
	c.done.Go(c.run)
	return c
}

// wait returns when no check runs any more, after the context ended.
func (c *checks) wait() { c.done.Wait() }

// all asks for a check of the whole definition.
func (c *checks) all(session *editor.Session) {
	c.mu.Lock()
	if !slices.Contains(c.waiting, session) {
		c.waiting = append(c.waiting, session)
	}
	c.mu.Unlock()
	select {
	case c.wanted <- struct{}{}:
	default: // it is awake already
	}
}

// form checks the form of one text at once, and shows nothing else of it: what
// evaluating said of the text before belongs to other places now.
func (c *checks) form(d document) {
	c.publish(d.Session, d.name, d.CheckSyntax(d.name))
}

func (c *checks) run() {
	for {
		select {
		case <-c.ctx.Done():
			return
		case <-c.wanted:
		}
		for session := c.next(); session != nil; session = c.next() {
			c.check(session)
		}
	}
}

func (c *checks) next() *editor.Session {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.waiting) == 0 || c.ctx.Err() != nil {
		return nil
	}
	first := c.waiting[0]
	c.waiting = c.waiting[1:]
	return first
}

// check evaluates the texts as they are now. Requests are answered meanwhile.
func (c *checks) check(session *editor.Session) {
	c.s.mu.Lock()
	copied := session.Clone()
	c.s.mu.Unlock()
	diags := copied.Check(c.ctx)
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	if session.Learn(copied) {
		c.s.adopt()
	}
	byFile := map[string]diag.List{}
	for _, name := range session.Opened() { // that nothing is wrong is news, too
		byFile[name] = nil
	}
	for name := range c.shown[session.Dir()] {
		byFile[name] = nil
	}
	for _, d := range diags {
		name := session.Place(d)
		byFile[name] = append(byFile[name], d)
	}
	for _, name := range slices.Sorted(maps.Keys(byFile)) {
		if session.Same(copied, name) { // else it is being written, and the next check will tell
			c.publish(session, name, byFile[name])
		}
	}
}

// publish sends what is wrong with one file.
func (c *checks) publish(session *editor.Session, name string, diags diag.List) {
	dir := session.Dir()
	if c.shown[dir] == nil {
		c.shown[dir] = map[string]bool{}
	}
	c.shown[dir][name] = len(diags) > 0
	text, _ := session.Text(name)
	file, ok := c.s.file(session, name)
	if !ok {
		file = filepath.Join(dir, name) // one that is not there any more
	}
	out := publishParams{URI: uriOf(file), Diagnostics: []diagnostic{}}
	for _, d := range diags {
		out.Diagnostics = append(out.Diagnostics, c.s.diagnostic(session, text, d))
	}
	// An editor that has gone needs no diagnostics.
	_ = c.s.conn.Notify(c.ctx, "textDocument/publishDiagnostics", out)
}

func (s *server) diagnostic(session *editor.Session, text []byte, d *diag.Diagnostic) diagnostic {
	out := diagnostic{Severity: severityError, Source: "sysc", Message: d.Summary}
	if d.Severity == diag.Warning {
		out.Severity = severityWarning
	}
	if d.Detail != "" {
		out.Message += "\n" + d.Detail
	}
	for _, v := range d.Values {
		out.Message += "\n" + v.Traversal + " " + v.Statement
	}
	if d.Subject != nil {
		out.Range = s.encoding.rangeOf(text, *d.Subject)
	}
	for _, r := range d.Related {
		file, ok := s.file(session, r.Range.Filename)
		if r.Range.IsZero() || !ok {
			continue
		}
		other, _ := session.Text(r.Range.Filename)
		out.RelatedInformation = append(out.RelatedInformation, related{
			Location: location{URI: uriOf(file), Range: s.encoding.rangeOf(other, r.Range)},
			Message:  r.Message,
		})
	}
	return out
}
