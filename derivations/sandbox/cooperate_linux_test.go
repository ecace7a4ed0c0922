package sandbox

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"sysc/store"
	"sysc/store/localstore"
)

// Two builds that cooperate: one offers its open output in every way there is,
// the other takes it, and changes it when the first one is over and its output
// has been taken in (CVE-2024-27297).

// meetingPlaces are directories where builds could meet.
var meetingPlaces = []string{"/tmp", "/dev/shm", "/run", "/var/tmp", "/shared"}

const meetingKey = 0x73797363 // of System V's shared memory

// offer makes an output and offers it until /build/stop exists.
func offer(args []string) {
	output, err := os.OpenFile("/build/out", os.O_RDWR|os.O_CREATE, 0o644)
	orExit(err)
	output.WriteString("made")
	serveFile("@"+args[0], int(output.Fd()))
	for _, dir := range meetingPlaces {
		if os.WriteFile(filepath.Join(dir, "meet"), nil, 0o666) == nil {
			serveFile(filepath.Join(dir, "meet.socket"), int(output.Fd()))
		}
	}
	id, err := unix.SysvShmGet(meetingKey, 4096, unix.IPC_CREAT|0o666)
	orExit(err)
	orExit(os.WriteFile("/build/ready", []byte("x"), 0o644))
	waitFor("/build/stop")
	unix.SysvShmCtl(id, unix.IPC_RMID, nil)
}

// orExit ends a builder that cannot do its part.
func orExit(err error) {
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
}

// serveFile gives the file to whoever connects.
func serveFile(name string, file int) {
	s, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	orExit(err)
	orExit(unix.Bind(s, &unix.SockaddrUnix{Name: name}))
	orExit(unix.Listen(s, 1))
	go func() {
		for {
			peer, _, err := unix.Accept(s)
			orExit(err)
			unix.Sendmsg(peer, []byte("x"), unix.UnixRights(file), nil, 0)
			unix.Close(peer)
		}
	}()
}

// take tries to meet the other build, and changes what it got from it when
// /build/go exists.
func take(args []string) {
	var got []int
	report := func(way string, err error) {
		if err == nil {
			fmt.Println(way)
		}
	}
	receive := func(name string) error {
		fd, err := receiveFile(name)
		if err == nil {
			got = append(got, fd)
		}
		return err
	}
	report("abstract socket", receive("@"+args[0]))
	for _, dir := range meetingPlaces {
		_, err := os.Stat(filepath.Join(dir, "meet"))
		report("file in "+dir, err)
		report("socket in "+dir, receive(filepath.Join(dir, "meet.socket")))
	}
	_, err := unix.SysvShmGet(meetingKey, 4096, 0)
	report("shared memory", err)
	orExit(os.WriteFile("/build/ready", []byte("x"), 0o644))
	waitFor("/build/go")
	for _, fd := range got {
		unix.Pwrite(fd, []byte("changed"), 0)
	}
}

func receiveFile(name string) (int, error) {
	s, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	if err != nil {
		return -1, err
	}
	if err := unix.Connect(s, &unix.SockaddrUnix{Name: name}); err != nil {
		return -1, err
	}
	rights := make([]byte, unix.CmsgSpace(4))
	_, n, _, _, err := unix.Recvmsg(s, make([]byte, 1), rights, 0)
	if err != nil {
		return -1, err
	}
	messages, err := unix.ParseSocketControlMessage(rights[:n])
	if err != nil || len(messages) == 0 {
		return -1, fmt.Errorf("nothing came with it (%v)", err)
	}
	fds, err := unix.ParseUnixRights(&messages[0])
	if err != nil {
		return -1, err
	}
	return fds[0], nil
}

// cooperate runs both and returns how they met, what became of the output on
// disk, and what the store has of it.
func cooperate(t *testing.T, change func(*fixture)) (met, onDisk, inStore string) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	name := fmt.Sprintf("sysc-meet-%d", time.Now().UnixNano())
	first, firstOver := background(ctx, newFixture(t), change, "offer", name)
	first.await("ready")
	second, secondOver := background(ctx, newFixture(t), change, "take", name)
	second.await("ready")
	first.tell("stop")
	if text := firstOver(); text != "" {
		t.Fatalf("the first build says: %s", text)
	}
	out := filepath.Join(first.build, "out")
	content := keep(t, out)
	second.tell("go")
	met = secondOver()
	data, err := os.ReadFile(out)
	must(t, err)
	return met, string(data), content()
}

// background runs a builder. over waits for it and returns what it wrote.
func background(ctx context.Context, f *fixture, change func(*fixture), args ...string) (run *fixture, over func() string) {
	change(f)
	var out bytes.Buffer
	f.builder(args...).spec.Output = &out
	var res Result
	var err error
	var done sync.WaitGroup
	done.Go(func() { res, err = Run(ctx, f.spec) })
	return f, func() string {
		f.t.Helper()
		done.Wait()
		if err != nil || res.ExitCode != 0 {
			f.t.Fatalf("got %+v, %v\n%s", res, err, out.String())
		}
		return out.String()
	}
}

// await waits until the builder made the file, and tell makes one for it.
func (f *fixture) await(name string) {
	f.t.Helper()
	f.until(name, func() bool {
		st, err := os.Stat(filepath.Join(f.build, name))
		return err == nil && st.Size() > 0
	})
}

// until waits for something that a builder does.
func (f *fixture) until(what string, done func() bool) {
	f.t.Helper()
	for deadline := time.Now().Add(time.Minute); !done(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			f.t.Fatalf("waited in vain for: %s", what)
		}
	}
}

func (f *fixture) tell(name string) {
	f.t.Helper()
	must(f.t, os.WriteFile(filepath.Join(f.build, name), []byte("x"), 0o644))
}

// keep takes a file into a store, as builds do with outputs. content returns
// what is there now, after a look at whether the store is whole.
func keep(t *testing.T, path string) (content func() string) {
	t.Helper()
	s, err := localstore.Open(t.Context(), filepath.Join(t.TempDir(), "store"), nil)
	must(t, err)
	t.Cleanup(func() { s.Close() })
	o, err := s.AddDir(t.Context(), path, &localstore.AddOptions{Name: "out"})
	must(t, err)
	must(t, s.Register(t.Context(), []store.Object{o}, nil))
	return func() string {
		_, err := s.Verify(t.Context(), func(p localstore.Problem) { t.Errorf("the store is damaged: %+v", p) })
		must(t, err)
		data, err := os.ReadFile(s.PhysicalPath(o.Path))
		must(t, err)
		return string(data)
	}
}

// No way is open, and what is in the store remains as it was even where one is:
// each of those is tried without the wall that closes it.
func TestCooperatingBuilds(t *testing.T) {
	if met, onDisk, inStore := cooperate(t, func(*fixture) {}); met != "" || onDisk != "made" || inStore != "made" {
		t.Errorf("they met by %q, the output is %q, in the store %q", met, onDisk, inStore)
	}
	shared := privateDir(t)
	tests := []struct {
		name, met, onDisk string
		change            func(*fixture)
	}{
		{"one network", "abstract socket\n", "changed", func(f *fixture) { f.spec.without = ownNetwork | landlockRules }},
		{"one network, but Landlock", "", "made", func(f *fixture) { f.spec.without = ownNetwork }},
		{"one ipc namespace", "shared memory\n", "made", func(f *fixture) { f.spec.without = ownIPC }},
		{"one directory", "file in /shared\nsocket in /shared\n", "changed", func(f *fixture) {
			f.spec.Binds = append(f.spec.Binds, Bind{Source: shared, Target: "/shared", Writable: true})
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if strings.Contains(tt.name, "Landlock") && LandlockVersion() < 6 {
				t.Skip("the kernel's Landlock is older than what this test wants")
			}
			met, onDisk, inStore := cooperate(t, tt.change)
			if met != tt.met || onDisk != tt.onDisk || inStore != "made" {
				t.Errorf("they met by %q, the output is %q, in the store %q; want %q, %q, made", met, onDisk, inStore, tt.met, tt.onDisk)
			}
		})
	}
}
