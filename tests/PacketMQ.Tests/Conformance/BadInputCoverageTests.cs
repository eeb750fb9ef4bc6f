using System.Reflection;
using Xunit.Sdk;
using Xunit.v3;

namespace PacketMQ.Tests.Conformance;

/// <summary>
/// No case of the catalogue is silently left out, at a server or at a client: what the tests of this folder try is read off their rows. A
/// row counts for the case that it names, or else for the one that its method's name begins with, and for the side that is among its
/// arguments.
/// </summary>
public sealed class BadInputCoverageTests
{
    private const string NoBound = "the catalogue names no bound";

    private static readonly Side[] Sides = [Side.Server, Side.Client];

    /// <summary>What is not tried, and why.</summary>
    private static readonly Dictionary<(string Id, Side Side), string> Untried = new()
    {
        [("P08", Side.Server)] = "there are no requests and responses yet",
        [("P08", Side.Client)] = "there are no requests and responses yet",
    };

    /// <summary>What is tried, but not measured, and why.</summary>
    private static readonly Dictionary<(string Id, Side Side), string> Unmeasured = new()
    {
        [("T10", Side.Server)] = NoBound,
        [("T10", Side.Client)] = NoBound,
        [("T12", Side.Server)] = NoBound,
        [("T12", Side.Client)] = NoBound,
    };

    [Fact]
    public async Task Every_case_of_the_catalogue_is_tried_at_both_sides()
    {
        Assert.Equal(89, BadInputCase.All.Count);
        AssertCovers(await RowsAsync(isMemory: false), Untried.Keys);
    }

    [Fact]
    public async Task The_memory_of_every_case_that_names_a_bound_is_measured_at_both_sides()
    {
        Assert.All(Unmeasured, row => Assert.Equal(row.Value == NoBound, BadInputCase.All[row.Key.Id].Memory == "—"));
        AssertCovers(await RowsAsync(isMemory: true), [.. Untried.Keys, .. Unmeasured.Keys]);
    }

    private static void AssertCovers(HashSet<(string Id, Side Side)> covered, IReadOnlyCollection<(string Id, Side Side)> excused)
    {
        (string, Side)[] all = [.. from id in BadInputCase.All.Keys from side in Sides select (id, side)];
        string missing = string.Join(", ", all.Except(covered).Except(excused));
        Assert.True(missing.Length == 0, $"Neither there nor excused: {missing}.");
        Assert.Equal([], excused.Intersect(covered)); // no excuse that has become untrue
    }

    private static async Task<HashSet<(string Id, Side Side)>> RowsAsync(bool isMemory)
    {
        var found = new HashSet<(string, Side)>();
        IEnumerable<MethodInfo> methods = typeof(BadInputCoverageTests).Assembly.GetTypes()
            .Where(type => type.Namespace == typeof(BadInputCoverageTests).Namespace)
            .Where(type => type.Name.EndsWith("MemoryTests", StringComparison.Ordinal) == isMemory)
            .SelectMany(type => type.GetMethods());
        foreach (MethodInfo method in methods)
        {
            foreach (IDataAttribute data in ExtensibilityPointFactory.GetMethodDataAttributes(method))
            {
                await using var tracker = new DisposalTracker();
                foreach (object?[] row in from one in await data.GetData(method, tracker) select one.GetData())
                {
                    string? id = row.OfType<string>().Append(method.Name).Select(CaseIn).FirstOrDefault(id => id is not null);
                    if (id is not null && row.OfType<Side>().ToArray() is [var side])
                        found.Add((id, side));
                }
            }
        }

        return found;
    }

    private static string? CaseIn(string text) => text.Split(' ', '_')[0] is var first && BadInputCase.All.ContainsKey(first) ? first : null;
}
