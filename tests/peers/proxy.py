"""proxy.py - pass connections on, write down what was sent, break some of them

    proxy.py --ready FILE --to HOST:PORT --log FILE --faults FILE

Listens on loopback; FILE of --ready gets the port.  What clients send goes into the log,
byte for byte.  Each connection takes a line from the file of faults, if there is one:

    pass          nothing happens
    up N          after N bytes to the server both ends are cut off
    down N        after N bytes to the client both ends are cut off; the server has
                  had all that was sent
    answer FILE   what is in FILE comes in place of the server's answer, and the end

With `on PATH` before it, it happens once that path is asked for by HTTP.
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


def pass_on(data, sink, room):
    """Of data as much as there is room for; the room left, None: any amount."""
    sink.sendall(data if room is None else data[:room])
    return None if room is None else room - len(data)


class Connection:
    def __init__(self, client, server, fault, log):
        self.client, self.server, self.log = client, server, log
        self.path = None
        if fault[0] == "on":
            self.path, fault = b" " + fault[1].encode() + b" ", fault[2:]
        self.fault = fault
        self.up = self.down = None
        if self.path is None:
            self.begin()

    def begin(self):
        self.path = None
        if self.fault[0] == "up":
            self.up = int(self.fault[1])
        elif self.fault[0] == "down":
            self.down = int(self.fault[1])

    def receive(self):
        data = self.client.recv(65536)
        with lock:
            self.log.write(data)
            self.log.flush()
        return data

    def answer(self, data):
        """In place of the server, once all of the request is here."""
        while b"\r\n\r\n" not in data:
            data += self.receive()
        head, _, body = data.partition(b"\r\n\r\n")
        length = 0
        for line in head.lower().split(b"\r\n"):
            if line.startswith(b"content-length:"):
                length = int(line[15:])
        while len(body) < length:
            body += self.receive()
        with open(self.fault[1], "rb") as f:
            self.client.sendall(f.read())
        self.client.shutdown(socket.SHUT_RDWR)
        cut(self.server)

    def pump_up(self):
        try:
            while True:
                data = self.receive()
                if self.path is not None and self.path in data:
                    self.begin()
                if self.path is None and self.fault[0] == "answer" and data:
                    return self.answer(data)
                if not data:
                    return self.server.shutdown(socket.SHUT_WR)
                self.up = pass_on(data, self.server, self.up)
                if self.up is not None and self.up <= 0:
                    return cut(self.client, self.server)
        except OSError:
            cut(self.client, self.server)

    def pump_down(self):
        try:
            while True:
                data = self.server.recv(65536)
                if not data:
                    return self.client.shutdown(socket.SHUT_WR)
                self.down = pass_on(data, self.client, self.down)
                if self.down is not None and self.down <= 0:
                    return cut(self.client, self.server)
        except OSError:
            if self.fault[0] != "answer":
                cut(self.client, self.server)


def serve(client, args, log):
    host, port = args.to.rsplit(":", 1)
    fault = next_fault(args.faults)
    try:
        server = socket.create_connection((host, int(port)))
    except OSError:
        cut(client)
        return
    both = Connection(client, server, fault, log)
    threading.Thread(target=both.pump_up, daemon=True).start()
    both.pump_down()


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
