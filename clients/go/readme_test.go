// This file owns the check that the README works as it stands: its programs are built in a module
// of their own, which finds this one as the README says, and are run against prepared answers.

package switchboard

import (
	"bufio"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
)

// blocks are the contents of the README's code blocks of a language.
func blocks(t *testing.T, language string) []string {
	t.Helper()
	text, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, rest := range strings.Split(string(text), "\n```"+language+"\n")[1:] {
		block, _, _ := strings.Cut(rest, "\n```\n")
		found = append(found, block+"\n")
	}
	return found
}

// goes runs the go command in dir, without a network and without this machine's settings.
func goes(t *testing.T, dir string, arguments ...string) {
	t.Helper()
	command := exec.Command("go", arguments...)
	command.Dir = dir
	command.Env = append(os.Environ(), "GOPROXY=off", "GOFLAGS=-mod=mod -buildvcs=false", "GOWORK=off")
	if output, err := command.CombinedOutput(); err != nil {
		t.Fatalf("go %s: %v\n%s", strings.Join(arguments, " "), err, output)
	}
}

// programs are those of the README, in its order.
var programs = []string{"status", "watch", "broadcast", "listen"}

// build makes the README's programs as somebody would who follows it, and says where they are.
func build(t *testing.T) map[string]string {
	t.Helper()
	dir := t.TempDir()
	goes(t, dir, "mod", "init", "example.test/reader")
	here, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	edit := strings.Fields(strings.Replace(blocks(t, "sh")[0], "../switchboard/clients/go", here, 1))
	goes(t, dir, edit[1:]...)
	texts := blocks(t, "go")
	if len(texts) != len(programs) {
		t.Fatalf("the README has %d programs, want %d", len(texts), len(programs))
	}
	built := map[string]string{}
	for i, name := range programs {
		if err := os.Mkdir(filepath.Join(dir, name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name, "main.go"), []byte(texts[i]), 0o644); err != nil {
			t.Fatal(err)
		}
		built[name] = filepath.Join(dir, name+".exe")
		goes(t, dir, "build", "-o", built[name], "./"+name)
	}
	return built
}

func TestTheProgramsOfTheReadmeWork(t *testing.T) {
	built := build(t)
	t.Run("status", func(t *testing.T) { runStatus(t, built["status"]) })
	t.Run("watch", func(t *testing.T) { runWatch(t, built["watch"]) })
	t.Run("broadcast", func(t *testing.T) { runBroadcast(t, built["broadcast"]) })
	t.Run("listen", func(t *testing.T) { runListen(t, built["listen"]) })
}

func reader(program, url string) *exec.Cmd {
	command := exec.Command(program, sessionID)
	command.Env = append(os.Environ(), "SWITCHBOARD_URL="+url, "SWITCHBOARD_TOKEN=a.b.c")
	return command
}

func runStatus(t *testing.T, program string) {
	held := answer{status: 409, body: `{"success":false,"message":"Conflict","error":"assigned already",
		"code":"conflict","data":{"agent_id":"a2","name":"Agus"}}`}
	for _, c := range []struct {
		answers []answer
		want    string
	}{
		{[]answer{present("c1@30"), ok(assigned)}, "customers: 1, agents: 0\nDewi has it now\n"},
		{[]answer{present("c1@30"), held}, "customers: 1, agents: 0\nAgus has it already\n"},
		{[]answer{present("c1@30 a1@35")}, "customers: 1, agents: 1\n"},
	} {
		o := serve(t, c.answers...)
		output, err := reader(program, o.URL).CombinedOutput()
		if err != nil || string(output) != c.want {
			t.Errorf("printed %q (%v), want %q", output, err, c.want)
		}
		if token := o.requests()[0].authorization; token != "Bearer a.b.c" {
			t.Errorf("sent %q", token)
		}
	}
}

func runWatch(t *testing.T, program string) {
	if runtime.GOOS == "windows" {
		t.Skip("a process cannot be interrupted there")
	}
	o := serve(t, present("c1@30 o1@31"), ok(assigned))
	printsUntilInterrupted(t, reader(program, o.URL), "came: customer c1", "came: admin o1")
	if requests := o.requests(); len(requests) != 2 || requests[1].method != "POST" {
		t.Errorf("asked %v", requests)
	}
}

func runBroadcast(t *testing.T, program string) {
	o := serve(t, accepted)
	output, err := reader(program, o.URL).CombinedOutput()
	if err != nil || string(output) != "in the log up to c-7\n" {
		t.Errorf("printed %q (%v)", output, err)
	}
	var ids []string
	for _, request := range o.requests() {
		for _, event := range eventsOf(t, request) {
			ids = append(ids, event.ID)
		}
	}
	if len(ids) != 2 || ids[1] != "ended-"+sessionID {
		t.Errorf("told %q", ids)
	}
}

func runListen(t *testing.T, program string) {
	if runtime.GOOS == "windows" {
		t.Skip("a process cannot be interrupted there")
	}
	h := openHub(t)
	go func() {
		caller := h.take()
		caller.says(`{"type":"call.incoming","payload":{"unique_id":"1","caller_id":"+62812",
			"destination":"1500"},"cursor":"c-1"}`)
		caller.hold("c-2")
	}()
	printsUntilInterrupted(t, reader(program, h.URL), "+62812 calls 1500", "call.hold c-2")
}

// printsUntilInterrupted runs a program that goes on until it is interrupted, and ends well then.
func printsUntilInterrupted(t *testing.T, command *exec.Cmd, wanted ...string) {
	t.Helper()
	output, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	tooLate := time.AfterFunc(testDeadline, func() { _ = command.Process.Kill() })
	defer tooLate.Stop()
	lines := bufio.NewScanner(output)
	for _, want := range wanted {
		if !lines.Scan() || lines.Text() != want {
			t.Errorf("printed %q, want %q", lines.Text(), want)
		}
	}
	if err := command.Process.Signal(os.Interrupt); err != nil {
		t.Error(err)
	}
	if lines.Scan() {
		t.Errorf("printed %q as well", lines.Text())
	}
	if err := command.Wait(); err != nil {
		t.Errorf("it ended with %v", err)
	}
}
