package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"
	"golang.org/x/term"

	"sysc/lang/syntax"
	"sysc/modules"
	"sysc/modules/editor"
)

const consoleHelp = `An expression is evaluated, and its value shown. It may go on over several lines:
it ends when all brackets are closed.

  :reload   read the definition again
  :help     this text
  :quit     end; so does Ctrl-D

Tab completes names, functions and options; the arrow keys bring back what was typed.`

func (a *app) consoleCommand() *cobra.Command {
	var system string
	cmd := &cobra.Command{
		Use:   "console",
		Short: "Evaluate expressions, one after another",
		Long: `Evaluate expressions, one after another, with all names of the definition at
hand. On a terminal lines can be edited, and Tab completes names. From a file or pipe
each expression is evaluated, and the exit code is 1 when one of them was wrong.`,
		Example: "  sysc console\n  echo 'length(config.packages)' | sysc console",
		Args:    usageArgs(cobra.NoArgs),
		RunE:    func(cmd *cobra.Command, _ []string) error { return a.console(cmd.Context(), system) },
	}
	cmd.Flags().StringVar(&system, "system", "", "the `NAME` of the system (default: the only one, or the one called like this machine)")
	a.projectFlags(cmd)
	return cmd
}

func (a *app) console(ctx context.Context, system string) error {
	if a.in == nil {
		return errors.New("there is no standard input")
	}
	e, err := a.newEvaluation(ctx, system)
	if err != nil {
		return err
	}
	c := &console{evaluation: e, ctx: ctx, system: system}
	out, isFile := a.out.(*os.File)
	if isFile && isTerminal(a.in) && isTerminal(out) {
		return c.interactive(out)
	}
	return c.batch(a.in)
}

// A console evaluates what comes in.
type console struct {
	*evaluation
	ctx    context.Context
	system string
	// text is what was read of an expression that goes on.
	text   string
	failed bool
}

// batch evaluates what a file or pipe has.
func (c *console) batch(in io.Reader) error {
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, syntax.MaxFileSize)
	for lines.Scan() {
		if c.line(lines.Text()) {
			break
		}
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("read standard input: %w", err)
	}
	if strings.TrimSpace(c.text) != "" {
		c.evaluate()
	}
	if c.failed {
		return &exitCode{code: exitError}
	}
	return nil
}

// line takes a line; quit is set when it ends the console.
func (c *console) line(text string) (quit bool) {
	if c.text == "" {
		switch command := strings.TrimSpace(text); command {
		case "":
			return false
		case ":quit", ":q", "exit", "quit":
			return true
		case ":help", ":h", "help":
			fmt.Fprintln(c.app.out, consoleHelp)
			return false
		case ":reload", ":r":
			c.reload()
			return false
		default:
			if strings.HasPrefix(command, ":") {
				c.app.say("There is no command %s. :help lists them.", command)
				c.failed = true
				return false
			}
		}
	}
	c.text += text + "\n"
	if !syntax.GoesOn([]byte(c.text)) {
		c.evaluate()
	}
	return false
}

// evaluate shows the value of what was read.
func (c *console) evaluate() {
	text := strings.TrimSpace(c.text)
	c.text = ""
	v, err := c.value(text)
	switch {
	case err != nil:
		c.failed = true
	case c.app.json && !v.Sensitive:
		fmt.Fprintf(c.app.out, "%s\n", v.JSON)
	default:
		fmt.Fprintln(c.app.out, shownValue(v))
	}
}

// reload reads the definition again; the one that was there stays when that fails.
func (c *console) reload() {
	e, err := c.app.newEvaluation(c.ctx, c.system)
	if err != nil {
		c.failed = true
		return
	}
	c.evaluation = e
}

// interactive talks to a person.
func (c *console) interactive(out *os.File) error {
	fmt.Fprintln(out, "Type an expression, :help or :quit.")
	session := editor.New(c.project.Dir(), &modules.Options{Version: releaseVersion()}, nil)
	t := term.NewTerminal(struct {
		io.Reader
		io.Writer
	}{c.app.in, out}, "> ")
	t.AutoCompleteCallback = func(line string, pos int, key rune) (string, int, bool) {
		if key != '\t' {
			return "", 0, false
		}
		return c.complete(t, session, line, pos)
	}
	restore, err := lineEditing(c.app.in)
	if err != nil {
		return err
	}
	return errors.Join(c.loop(t, out), restore())
}

// loop reads and evaluates lines.
func (c *console) loop(t *term.Terminal, out *os.File) error {
	for {
		t.SetPrompt("> ")
		if c.text != "" {
			t.SetPrompt(". ")
		}
		if width, height, err := term.GetSize(int(out.Fd())); err == nil {
			if err := t.SetSize(width, height); err != nil {
				return err
			}
		}
		line, err := t.ReadLine()
		if errors.Is(err, io.EOF) {
			fmt.Fprintln(out)
			return nil
		}
		if err != nil && !errors.Is(err, term.ErrPasteIndicator) {
			return err
		}
		if c.line(line) {
			return nil
		}
	}
}

// lineEditing lets every key through, also those that come while something is
// evaluated, and leaves what is written as it is elsewhere.
func lineEditing(in *os.File) (restore func() error, err error) {
	fd := int(in.Fd())
	state, err := term.MakeRaw(fd)
	if err != nil {
		return nil, err
	}
	restore = func() error { return term.Restore(fd, state) }
	raw, err := unix.IoctlGetTermios(fd, unix.TCGETS)
	if err == nil {
		raw.Oflag |= unix.OPOST
		err = unix.IoctlSetTermios(fd, unix.TCSETS, raw)
	}
	if err != nil {
		return nil, errors.Join(err, restore())
	}
	return restore, nil
}

// complete answers Tab: what all candidates begin with is put in, and several are
// listed.
func (c *console) complete(t *term.Terminal, session *editor.Session, line string, pos int) (string, int, bool) {
	// Completion knows what may stand in a file of the definition.
	const name, before = "console" + syntax.Extension, "config {\nx = "
	session.Open(name, []byte(before+c.text+line+"\n}\n"))
	at := len(before) + len(c.text) + len(runes(line, pos))
	items, rng := session.Complete(name, at)
	if len(items) == 0 {
		return "", 0, false
	}
	labels := make([]string, len(items))
	for i, it := range items {
		labels[i] = it.Label
	}
	labels = slices.Compact(labels)
	common := commonPrefix(labels)
	start := rng.Start.Byte - len(before) - len(c.text)
	done := line[:start] + common
	if len(labels) > 1 && common == line[start:len(runes(line, pos))] {
		fmt.Fprintln(t, strings.Join(labels, "  "))
	}
	return done + line[len(runes(line, pos)):], len([]rune(done)), true
}

// runes is the first n characters of a text.
func runes(text string, n int) string { return string([]rune(text)[:n]) }

func commonPrefix(words []string) string {
	prefix := words[0]
	for _, w := range words[1:] {
		for !strings.HasPrefix(w, prefix) {
			prefix = prefix[:len(prefix)-1]
		}
	}
	return prefix
}
