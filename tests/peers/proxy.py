"""proxy.py - pass connections on, write down what was sent, break some of them

    proxy.py --ready FILE --to HOST:PORT --log FILE --faults FILE

Listens on loopback; FILE of --ready gets the port.  What clients send goes into the log,
byte for byte.  Each connection takes a line from the file of faults, if there is one:

    pass          nothing happens
    up N          after N bytes to the server both ends are cut off
    down N        after N bytes to the client both ends are cut off; the server has
                  had all that was sent
    answer FILE   what is in FILE comes in place of the server's answer
"""
import argparse
import os
import socket
import struct
import threading

lock = threading.Lock()


def next_fault(path):
    with lock:
        try:
            with open(path) as f:
                lines = f.read().splitlines()
        except FileNotFoundError:
            return ["pass"]
        if not lines:
            return ["pass"]
        with open(path + ".new", "w") as f:
            f.writelines(line + "\n" for line in lines[1:])
        os.replace(path + ".new", path)
        return lines[0].split()


def cut(*ends):
    """As a network does that is gone: no farewell."""
    for end in ends:
        try:
            end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            end.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        end.close()


def pump(source, sink, room, log):
    """Pass on what comes, up to room bytes; whether both go on to the end."""
    while True:
        try:
            data = source.recv(65536)
            if log is not None:
                with lock:
                    log.write(data)
                    log.flush()
            if not data:
                sink.shutdown(socket.SHUT_WR)
                return
            sink.sendall(data[:room] if room is not None else data)
        except OSError:
            cut(source, sink)
            return
        if room is not None:
            room -= len(data)
            if room <= 0:
                cut(source, sink)
                return


def read_request(client, log):
    """All of one request: its head, and as much body as that says."""
    data = b""
    while b"\r\n\r\n" not in data:
        data += client.recv(65536)
    head, _, body = data.partition(b"\r\n\r\n")
    length = 0
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            length = int(line[15:])
    while len(body) < length:
        body += client.recv(65536)
    with lock:
        log.write(head + b"\r\n\r\n" + body)
        log.flush()


def serve(client, args, log):
    fault = next_fault(args.faults)
    if fault[0] == "answer":
        read_request(client, log)
        with open(fault[1], "rb") as f:
            client.sendall(f.read())
        client.close()
        return
    host, port = args.to.rsplit(":", 1)
    try:
        server = socket.create_connection((host, int(port)))
    except OSError:
        cut(client)
        return
    up = int(fault[1]) if fault[0] == "up" else None
    down = int(fault[1]) if fault[0] == "down" else None
    threading.Thread(target=pump, args=(client, server, up, log), daemon=True).start()
    pump(server, client, down, None)


def main():
    parser = argparse.ArgumentParser()
    for name in ("ready", "to", "log", "faults"):
        parser.add_argument("--" + name, required=True)
    args = parser.parse_args()
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen(64)
    with open(args.ready + ".new", "w") as f:
        print(listener.getsockname()[1], file=f)
    os.rename(args.ready + ".new", args.ready)
    log = open(args.log, "ab")
    while True:
        client, _ = listener.accept()
        threading.Thread(target=serve, args=(client, args, log), daemon=True).start()


main()
