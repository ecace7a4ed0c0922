package vm

import (
	"bufio"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
	"time"
)

// shellOver returns a shell, and a function that is the agent's side of one exchange: it
// takes a request, and answers with lines.
func shellOver(t *testing.T) (s *Shell, agent *os.File, requests *bufio.Reader) {
	t.Helper()
	ours, theirs, err := socketPair()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ours.Close(); theirs.Close() })
	return newShell(ours), theirs, bufio.NewReader(theirs)
}

func write(t *testing.T, w io.Writer, lines ...string) {
	t.Helper()
	if _, err := io.WriteString(w, strings.Join(lines, "\n")+"\n"); err != nil {
		t.Error(err)
	}
}

func encode(text string) string { return base64.StdEncoding.EncodeToString([]byte(text)) }

func TestShell(t *testing.T) {
	s, agent, requests := shellOver(t)
	write(t, agent, "ready one ")
	if b, err := s.Boot(t.Context()); err != nil || b != (Booted{ID: "one"}) {
		t.Fatalf("%+v, %v", b, err)
	}
	go func() {
		line, _ := requests.ReadString('\n')
		if line != "1 "+encode("true\nfalse")+"\n" {
			t.Errorf("request %q", line)
		}
		// What is left of an earlier one does not count.
		write(t, agent, "0 0 "+encode("old"), "1 7 "+encode("a\x00b\n"))
	}()
	out, code, err := s.Run(t.Context(), "true\nfalse")
	if out != "a\x00b\n" || code != 7 || err != nil {
		t.Errorf("%q, %d, %v", out, code, err)
	}
	// A system that ends may or may not answer; the next boot is another one.
	if err := s.Begin(t.Context(), "reboot"); err != nil {
		t.Error(err)
	}
	write(t, agent, "2 0 ", "ready one ", "ready two "+encode("no ip\n"))
	if b, err := s.Boot(t.Context()); err != nil || b != (Booted{ID: "two", Trouble: "no ip"}) {
		t.Errorf("%+v, %v", b, err)
	}
}

// TestShellWrong: what no agent says, a boot while a command runs, the end of the machine.
func TestShellWrong(t *testing.T) {
	for _, answer := range []string{"1", "1 x ", "1 0 %", "1 0 a b", "1 0 " + strings.Repeat("A", maxAnswer)} {
		s, agent, _ := shellOver(t)
		go write(t, agent, answer)
		if _, _, err := s.Run(t.Context(), "x"); !errors.Is(err, errNotText) {
			t.Errorf("%.20q: %v", answer, err)
		}
	}
	s, agent, _ := shellOver(t)
	write(t, agent, "ready two ")
	if _, _, err := s.Run(t.Context(), "x"); err == nil || !strings.Contains(err.Error(), "started again") {
		t.Errorf("a boot in the middle: %v", err)
	}
	s, agent, _ = shellOver(t)
	agent.Close()
	if _, _, err := s.Run(t.Context(), "x"); !errors.Is(err, ErrEnded) {
		t.Errorf("of a machine that is off: %v", err)
	}
	s, agent, _ = shellOver(t)
	because := errors.New("enough")
	ctx, cancel := context.WithTimeoutCause(t.Context(), time.Millisecond, because)
	defer cancel()
	if _, err := s.Boot(ctx); !errors.Is(err, because) {
		t.Errorf("waiting for what does not come: %v", err)
	}
	// It can be asked again, and what comes late does not count.
	if _, _, err := s.Run(ctx, "x"); !errors.Is(err, because) {
		t.Errorf("asking without time: %v", err)
	}
	write(t, agent, "1 0 "+encode("late"), "2 0 "+encode("in time"))
	if out, _, err := s.Run(t.Context(), "y"); out != "in time" || err != nil {
		t.Errorf("asking once more: %q, %v", out, err)
	}
}

// TestAgentFiles: the files name one another.
func TestAgentFiles(t *testing.T) {
	a := Agent{MAC: "52:54:00:73:79:01", Address: "192.168.1.1/24", Hosts: map[string]string{"b": "192.168.1.2", "a": "192.168.1.1"}}
	files := a.Files()
	if got, want := files["sysc-test/hosts"], "# machines of the test\n192.168.1.1 a\n192.168.1.2 b\n"; got != want {
		t.Errorf("hosts: %q", got)
	}
	for name := range files {
		if rest, ok := strings.CutPrefix(name, "sysc-test/"); ok && rest != "agent" && !strings.Contains(agentScript, "/etc/"+name) {
			t.Errorf("the agent does not read %s", name)
		}
	}
	if !strings.Contains(files["systemd/system/sysc-test.service"], fmt.Sprintf("/bin/sh /etc/sysc-test/agent %s\n", shellPort)) {
		t.Error("the unit does not start the agent")
	}
}
