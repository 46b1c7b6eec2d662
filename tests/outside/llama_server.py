"""A real model behind a real server: llama.cpp's, from a wheel. It speaks the OpenAI and the Anthropic API.

Run as a program by `test_real_model.py`: `llama_server.py MODEL.gguf PORT`.
"""

import signal
import sys
import threading

CONTEXT_TOKENS = 1024


def main(model, port):
    import xllamacpp

    parameters = xllamacpp.CommonParams()
    parameters.model.path = model
    parameters.hostnames = ["127.0.0.1"]
    parameters.port = port
    parameters.n_ctx = CONTEXT_TOKENS
    parameters.n_parallel = 1
    parameters.model_alias = {"smollm2-135m"}
    # More threads are slower than one on a busy machine.
    parameters.cpuparams.n_threads = 1
    parameters.cpuparams_batch.n_threads = 1
    parameters.endpoint_metrics = True
    parameters.warmup = False
    ended = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: ended.set())
    server = xllamacpp.Server(parameters)
    print("listening", server.listening_address, flush=True)
    ended.wait()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
