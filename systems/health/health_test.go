package health

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"sysc/systems"
)

var noon = time.Date(2026, 5, 1, 12, 0, 0, 500, time.UTC)

// check runs one check.
func check(t *testing.T, c systems.HealthCheck) Result {
	t.Helper()
	c.Name = "x"
	if c.Timeout == 0 {
		c.Timeout = 10_000
	}
	if err := c.Check(); err != nil {
		t.Fatal(err)
	}
	report, err := Run(t.Context(), []systems.HealthCheck{c}, noon)
	if err != nil {
		t.Fatal(err)
	}
	return report.Results[0]
}

func TestCommand(t *testing.T) {
	if r := check(t, systems.HealthCheck{Command: []string{"true"}}); !r.OK || r.Attempts != 1 || r.Problem != "" || r.Log != nil {
		t.Errorf("%+v", r)
	}
	r := check(t, systems.HealthCheck{Command: []string{"sh", "-c", "echo it is broken; exit 3"}, Timeout: 400})
	if r.OK || r.Attempts < 2 || !strings.Contains(r.Problem, "exit status 3") || len(r.Log) != 1 || r.Log[0] != "it is broken" {
		t.Errorf("%+v", r)
	}
	if r := check(t, systems.HealthCheck{Command: []string{"/nonexistent/program"}, Timeout: 100}); r.OK || !strings.Contains(r.Problem, "no such file") {
		t.Errorf("%+v", r)
	}
	// A great deal of output, of which the end counts.
	r = check(t, systems.HealthCheck{Command: []string{"sh", "-c", `i=0; while [ $i -lt 5000 ]; do echo line $i; i=$((i+1)); done; printf '\377last'; exit 1`}, Timeout: 100})
	if len(r.Log) != maxLines || r.Log[maxLines-1] != "\uFFFDlast" || r.Log[0] != "line 4981" {
		t.Errorf("%+v", r)
	}
}

// What a program started goes with it.
func TestCommandThatHangs(t *testing.T) {
	file := filepath.Join(t.TempDir(), "pid")
	r := check(t, systems.HealthCheck{Command: []string{"sh", "-c", `sleep 600 & echo $! > "$0"; wait`, file}, Timeout: 1000})
	if r.OK || r.Problem != "it was not done in time" || r.Took > 60_000 {
		t.Errorf("%+v", r)
	}
	pid, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	// A process that was killed takes a moment to end.
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		stat, err := os.ReadFile("/proc/" + strings.TrimSpace(string(pid)) + "/stat")
		if err != nil || strings.Contains(string(stat), ") Z ") {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("what it had started lives on: %s", stat)
		}
	}
}

// A check is repeated until it holds.
func TestHTTP(t *testing.T) {
	var asked atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/later":
			if asked.Add(1) < 3 {
				w.WriteHeader(http.StatusServiceUnavailable)
			}
		case "/elsewhere":
			http.Redirect(w, r, "/broken", http.StatusFound)
		case "/slow":
			<-r.Context().Done()
		default:
			w.WriteHeader(http.StatusInternalServerError)
		}
	}))
	defer server.Close()
	if r := check(t, systems.HealthCheck{HTTP: server.URL + "/later"}); !r.OK || r.Attempts != 3 {
		t.Errorf("%+v", r)
	}
	if r := check(t, systems.HealthCheck{HTTP: server.URL + "/elsewhere"}); !r.OK {
		t.Errorf("%+v", r)
	}
	if r := check(t, systems.HealthCheck{HTTP: server.URL + "/broken", Timeout: 100}); r.OK || !strings.Contains(r.Problem, "500") {
		t.Errorf("%+v", r)
	}
	if r := check(t, systems.HealthCheck{HTTP: server.URL + "/slow", Timeout: 200}); r.OK || r.Problem != "it was not done in time" || r.Attempts != 1 {
		t.Errorf("%+v", r)
	}
}

func TestTCP(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	if r := check(t, systems.HealthCheck{TCP: address}); !r.OK {
		t.Errorf("%+v", r)
	}
	listener.Close()
	if r := check(t, systems.HealthCheck{TCP: address, Timeout: 100}); r.OK || !strings.Contains(r.Problem, "refused") {
		t.Errorf("%+v", r)
	}
}

// On a machine that systemd does not run, or without such a unit, none is active.
func TestUnit(t *testing.T) {
	if r := check(t, systems.HealthCheck{Unit: "sysc-no-such.service", Timeout: 100}); r.OK || r.Problem == "" {
		t.Errorf("%+v", r)
	}
}

// Checks do not wait for one another, and only required ones decide.
func TestTogether(t *testing.T) {
	slow := systems.HealthCheck{Name: "a", Command: []string{"sleep", "2"}, Timeout: 10_000}
	again := slow
	again.Name = "b"
	warn := systems.HealthCheck{Name: "c", Command: []string{"false"}, Timeout: 100, Wanted: true}
	begin := time.Now()
	report, err := Run(t.Context(), []systems.HealthCheck{slow, again, warn}, noon)
	if err != nil || !report.Good() || !report.Time.Equal(noon.Truncate(time.Second)) {
		t.Errorf("%+v, %v", report, err)
	}
	if took := time.Since(begin); took > 3900*time.Millisecond {
		t.Errorf("took %v", took)
	}
	for i, name := range []string{"a", "b", "c"} {
		if r := report.Results[i]; r.Name != name || r.OK == r.Wanted {
			t.Errorf("%+v", r)
		}
	}
	report.Results[2].Wanted = false
	if report.Good() {
		t.Error("good without a required check")
	}
}

func TestCancel(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(100*time.Millisecond, cancel)
	_, err := Run(ctx, []systems.HealthCheck{{Name: "a", Command: []string{"sleep", "600"}, Timeout: 600_000}}, noon)
	if !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}
