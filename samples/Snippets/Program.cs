using PacketMQ.Samples.Snippets;

// Every C# block of README.md and docs/ is a region of this project, and this runs them.
await Readme.RunAsync();
await GettingStarted.RunAsync();
await Packets.RunAsync();
await AutoTypes.RunAsync();
await Connecting.RunAsync();
await Closing.RunAsync();
await Tls.RunAsync();
await Security.RunAsync();
await FromPython.RunAsync();
Console.WriteLine("all snippets ran");
