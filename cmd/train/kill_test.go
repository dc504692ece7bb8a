package main

import (
	"bufio"
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/shardmill/shardmill/tokenizers"
	"github.com/shardmill/shardmill/trainer"
	"github.com/shardmill/shardmill/trainer/checkpoint"
)

// asTrain makes the test program behave as the command, so that it can be killed.
const asTrain = "SHARDMILL_TEST_AS_TRAIN"

func TestMain(m *testing.M) {
	if os.Getenv(asTrain) == "1" {
		main()
	}
	os.Exit(m.Run())
}

// process runs the command and sends it a signal when it has written a line with the given text. It returns the exit code, -1 if the
// signal killed it, and standard error.
func process(t *testing.T, args []string, when string, signal os.Signal) (int, string) {
	t.Helper()
	cmd := exec.Command(os.Args[0], args...)
	cmd.Env = append(os.Environ(), asTrain+"=1")
	pipe, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var told bytes.Buffer
	lines := bufio.NewScanner(pipe)
	sent := when == ""
	for lines.Scan() {
		told.Write(append(lines.Bytes(), '\n'))
		if !sent && strings.Contains(lines.Text(), when) {
			sent = true
			if err := cmd.Process.Signal(signal); err != nil {
				t.Fatal(err)
			}
		}
	}
	var exit *exec.ExitError
	if err := cmd.Wait(); err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	if !sent {
		t.Fatalf("never said %q:\n%s", when, &told)
	}
	return cmd.ProcessState.ExitCode(), told.String()
}

// TestKillAndResume kills a run at several steps, between and right after checkpoints, then ends it by SIGTERM, and lets it finish. What
// it leaves is what an undisturbed run leaves.
func TestKillAndResume(t *testing.T) {
	data := makeDataset(t, tokenizers.TrainBPE, 300, documents(200))
	whole, parts := filepath.Join(t.TempDir(), "whole"), filepath.Join(t.TempDir(), "parts")
	arguments := func(out string, more ...string) []string {
		return trainArgs("causal", data, out, append([]string{"--steps", "60", "--checkpoint-every", "7", "--progress", "json"}, more...)...)
	}
	do(t, arguments(whole)...)
	for _, step := range []string{"3", "12", "28", "45"} {
		if code, told := process(t, arguments(parts, "--resume"), `"event":"step","step":`+step+`,`, syscall.SIGKILL); code != -1 {
			t.Fatalf("exit code %d of a killed process: %s", code, told)
		}
	}
	code, told := process(t, arguments(parts, "--resume"), `"event":"step","step":50,`, syscall.SIGTERM)
	if code != exitFailed || !strings.Contains(told, "go on with:") {
		t.Fatalf("exit code %d after SIGTERM: %s", code, told)
	}
	if code, told = process(t, arguments(parts, "--resume"), "", nil); code != exitDone {
		t.Fatalf("exit code %d: %s", code, told)
	}
	for _, name := range []string{trainer.MetricsFile, checkpoint.WeightsFile, "checkpoints/step-00000060/" + checkpoint.StateFile} {
		a, errA := os.ReadFile(filepath.Join(whole, name))
		b, errB := os.ReadFile(filepath.Join(parts, name))
		if err := errors.Join(errA, errB); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(a, b) {
			t.Errorf("%s differs from that of an undisturbed run", name)
		}
	}
}
